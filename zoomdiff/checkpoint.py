"""A trained model as two files: weights (safetensors) and, beside them, a JSON that a person can read."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from zoomdiff.arguments import instance, path_of
from zoomdiff.device import pick_device
from zoomdiff.diffusion.design import Design
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.network import DayTokenNetwork
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.diffusion.rhythm import Rhythm
from zoomdiff.errors import CheckpointError
from zoomdiff.files import ASSETS, whole_set
from zoomdiff.inputs import INPUTS
from zoomdiff.isolation import check_file
from zoomdiff.levels import S4T4, Hierarchy, Level
from zoomdiff.weights import MOST_JSON, MOST_WEIGHTS, check_suffix, download, is_url

SHIPPED = ASSETS / "zoomdiff-s4t4.safetensors"
MOST_CHANNELS, MOST_STEPS = 65_536, 1_000_000  # of a network and of its chain
SIMULATED = "simulated traffic calibrated to open measurements"


def new_network(hierarchy: Hierarchy = S4T4, design: Design | None = None, **size: int) -> DayTokenNetwork:
    """An untrained network for this version's UEC; `size` may set channels and blocks."""
    return DayTokenNetwork(hierarchy, design, **{name: len(channels) for name, channels in INPUTS.items()}, **size)


def save_model(model: DRDM, path: Path, **notes: object) -> None:
    """Write `path` (weights) and its .json (hierarchy, statistics, inputs and `notes`); both or none."""
    prior = model.prior
    about = {
        "hierarchy": [asdict(level) for level in prior.hierarchy],
        "scale": prior.scale,
        "stats": [asdict(s) for s in prior.stats],
        "design": asdict(model.design),
        "network": {"channels": model.network.channels, "blocks": len(model.network.trunk)},
        "inputs": INPUTS,
        "trained_on": model.trained_on,
        **notes,
    }
    with whole_set(path.parent, "The weights") as new:
        save_file(model.network.state_dict(), new / path.name)
        (new / path.with_suffix(".json").name).write_text(json.dumps(about, indent=1))


def load_model(source: str | Path | None = None, *, device: str = "auto", sha256: str | None = None) -> DRDM:
    """A trained model, ready to sample.

    Parameters
    ----------
    source
        The weights, a .safetensors file with its JSON beside it: a path, or an address (https), which is downloaded
        once to the cache. None takes the weights that come with ZoomDiff.
    device
        "auto", "cuda", "mps" or "cpu".
    sha256
        Of the weights; an address needs it.

    Raises
    ------
    CheckpointError
        The weights are missing or damaged, of another kind or another version, not those of the SHA-256, or cannot be
        downloaded.
    OptionError
        There is no such device.
    """
    instance("The SHA-256", sha256, (str, NoneType), "64 hexadecimal digits as text")
    if is_url(source):
        path = download(str(source), sha256)
    else:
        path = SHIPPED if source is None else path_of("The weights", source, CheckpointError)
    check_suffix(path.name)
    place = pick_device(device)
    about, data = _read(path)
    found = hashlib.sha256(data).hexdigest()
    if sha256 and sha256.strip().lower() != found:
        raise CheckpointError(
            f"{path.name} has the SHA-256 {found[:12]}..., not {sha256[:12]}...: give the right file."
        )
    try:
        weights = load(data)
        if about["inputs"] != INPUTS:
            raise CheckpointError(
                f"The weights {path.name} expect other map classes or presets: train again with this version."
            )
        prior, design = _prior_of(about)
        channels, blocks = int(about["network"]["channels"]), int(about["network"]["blocks"])
        if not _fits(weights, prior.hierarchy, design, channels, blocks):
            raise CheckpointError(
                f"The weights {path.name} have other levels or another size than their JSON: restore the files of one "
                "training."
            )
        network = new_network(prior.hierarchy, design, channels=channels, blocks=blocks)
        network.load_state_dict(weights)
        trained_on = about["trained_on"] if "trained_on" in about else described(about.get("train"))
        if not isinstance(trained_on, str | None):
            raise TypeError("what it learned from is no text")
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
        SafetensorError,
    ) as error:
        raise CheckpointError(f"The weights {path.name} or their JSON are damaged: restore both files.") from error
    return DRDM(network.to(place).eval(), prior, found, trained_on)


def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    """The JSON and the bytes of the weights. Raises CheckpointError."""
    text = path.with_suffix(".json")
    for file in (text, path):
        check_file(file, CheckpointError)
    try:
        for file, most in ((text, MOST_JSON), (path, MOST_WEIGHTS)):
            if file.stat().st_size > most:
                raise CheckpointError(f"{file} has more than {most:,} bytes, so it belongs to no weights of ZoomDiff.")
        about = json.loads(text.read_bytes(), parse_constant=_no_number)
        if not isinstance(about, dict):
            raise ValueError("no object")
        return about, path.read_bytes()
    except OSError as error:
        if path.is_file() and not text.exists():
            raise CheckpointError(f"The weights {path} need their JSON beside them: {text} is missing.") from error
        raise CheckpointError(f"The weights {path} cannot be read: {error.strerror or 'no such file'}.") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{text} is not the JSON of weights: restore both files.") from error


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _prior_of(about: dict[str, Any]) -> tuple[ResidualPrior, Design]:
    """The statistics and the design of a JSON. Raises ValueError, KeyError or TypeError."""
    hierarchy = Hierarchy(tuple(Level(**level) for level in about["hierarchy"]))
    design = Design(**(about["design"] | {"nodes": tuple(about["design"]["nodes"])}))
    diffused = design.diffused(hierarchy)
    stats = tuple(_stats(level, numbers) for level, numbers in zip(diffused, about["stats"], strict=True))
    scale = float(about["scale"])
    if len(design.nodes) != len(hierarchy) + 1 or design.nodes[0] > MOST_STEPS or scale <= 0:
        raise ValueError("the stages are not those of the levels")
    return ResidualPrior(hierarchy, scale, stats, diffused), design


def _fits(weights: dict[str, Tensor], hierarchy: Hierarchy, design: Design, channels: int, blocks: int) -> bool:
    """Whether the weights are those of such a network. It is only imagined (on no device), however large it is."""
    if not (0 < channels <= MOST_CHANNELS and 0 < blocks <= len(weights)):
        return False
    with torch.device("meta"):
        imagined = new_network(hierarchy, design, channels=channels, blocks=blocks).state_dict()
    return {name: x.shape for name, x in imagined.items()} == {name: x.shape for name, x in weights.items()}


def described(train: dict[str, Any] | None, start: str | None = None) -> str | None:
    """What a training run learned from, by its configuration (the fields of `TrainConfig`); None without one.

    `start` is what the weights that it started from learned from.
    """
    if not train:
        return None
    weeks = [Path(Path(path).parent.name, Path(path).name).as_posix() for path in train.get("own_weeks", ())]
    sources = [f"known traffic ({', '.join(weeks)})"] if weeks else []
    if train.get("towns") or not weeks:
        sources.append(SIMULATED)
    if init := train.get("init"):
        name = "the shipped weights" if init == "shipped" else Path(init).name
        return f"{' and '.join(sources)}, starting from {name}, trained on {start or 'unrecorded data'}"
    return " and ".join(sources)


def _stats(level: Level, numbers: dict[str, Any]) -> LevelStats:
    """Of the stage that diffuses a level. Raises ValueError, KeyError or TypeError."""
    mean, std, low, high, spread = (float(numbers[name]) for name in ("mean", "std", "low", "high", "residual_std"))
    stats, rhythm = LevelStats(mean, std, low, high, spread), numbers.get("rhythm")
    if stats.std <= 0 or stats.residual_std <= 0:
        raise ValueError("a standard deviation is not positive")
    if rhythm is None:
        return stats
    measured = Rhythm.from_lists(**rhythm)
    steps = level.steps_per_day
    shapes = np.shape(measured.components), np.shape(measured.variance)
    if shapes != ((2, steps, steps), (len(measured.edges) + 1, 2, steps)):
        raise ValueError("a rhythm of another shape")
    return replace(stats, rhythm=measured)
