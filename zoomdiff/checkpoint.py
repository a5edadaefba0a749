"""A trained model as two files: weights (safetensors) and, beside them, a JSON that a person can read."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from zoomdiff.arguments import instance, no_number, number, path_of, whole
from zoomdiff.device import pick_device
from zoomdiff.diffusion.design import Design
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.network import DayTokenNetwork
from zoomdiff.diffusion.prior import RANGE_MARGIN, LevelStats, ResidualPrior
from zoomdiff.diffusion.rhythm import Rhythm
from zoomdiff.errors import CheckpointError, OptionError
from zoomdiff.files import ASSETS, whole_set
from zoomdiff.inputs import INPUTS
from zoomdiff.isolation import check_file
from zoomdiff.levels import S4T4, Hierarchy, Level
from zoomdiff.weights import MOST_JSON, MOST_WEIGHTS, check_suffix, download, is_url

SHIPPED = ASSETS / "zoomdiff-s4t4.safetensors"
CHANNELS, BLOCKS = range(1, 65_537), range(1, 1001)  # that a network may have
SIMULATED = "simulated traffic calibrated to open measurements"


def new_network(hierarchy: Hierarchy = S4T4, design: Design | None = None, **size: int) -> DayTokenNetwork:
    """An untrained network for this version's UEC; `size` may set channels and blocks."""
    return DayTokenNetwork(hierarchy, design, **{name: len(channels) for name, channels in INPUTS.items()}, **size)


def imagined(hierarchy: Hierarchy, design: Design, **size: int) -> dict[str, Tensor]:
    """The weights of such a network without their numbers: it takes no memory, however large it is."""
    with torch.device("meta"):
        weights: dict[str, Tensor] = new_network(hierarchy, design, **size).state_dict()
    return weights


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
        size = {
            name: whole(f"The network's {name}", about["network"][name], among)
            for name, among in (("channels", CHANNELS), ("blocks", BLOCKS))
        }
        if _shapes(imagined(prior.hierarchy, design, **size)) != _shapes(weights):
            raise CheckpointError(
                f"The weights {path.name} have other levels or another size than their JSON: restore the files of one "
                "training."
            )
        if not all(x.isfinite().all() for x in weights.values()):
            raise ValueError("a weight is no number")
        network = new_network(prior.hierarchy, design, **size)
        network.load_state_dict(weights)
        trained_on = about["trained_on"] if "trained_on" in about else described(about.get("train"))
        if not isinstance(trained_on, str | None):
            raise TypeError("what it learned from is no text")
    except (
        OptionError,  # of the values that the types check
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
    check_file(text, CheckpointError, MOST_JSON)
    check_file(path, CheckpointError, MOST_WEIGHTS)
    try:
        about = json.loads(text.read_bytes(), parse_constant=no_number)
        if not isinstance(about, dict):
            raise ValueError("no object")
        return about, path.read_bytes()
    except OSError as error:
        if path.is_file() and not text.exists():
            raise CheckpointError(f"The weights {path} need their JSON beside them: {text} is missing.") from error
        raise CheckpointError(f"The weights {path} cannot be read: {error.strerror or 'no such file'}.") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{text} is not the JSON of weights: restore both files.") from error


def _prior_of(about: dict[str, Any]) -> tuple[ResidualPrior, Design]:
    """The statistics and the design of a JSON. Raises OptionError, ValueError, KeyError or TypeError."""
    hierarchy = Hierarchy(tuple(Level(**level) for level in about["hierarchy"]))
    design = Design(**(about["design"] | {"nodes": tuple(about["design"]["nodes"])}))
    stats, scale = tuple(_stats(numbers) for numbers in about["stats"]), number("The scale", about["scale"])
    prior = ResidualPrior(hierarchy, scale, stats, design.diffused(hierarchy))
    if len(design.nodes) != len(hierarchy) + 1:
        raise ValueError("the stages are not those of the levels")
    for k, (level, numbers) in enumerate(zip(prior.diffused, stats, strict=True)):
        if numbers.rhythm is not None and len(numbers.rhythm.components[0]) != level.steps_per_day:
            raise ValueError("a rhythm of other hours")
        if not 0 < prior.decode(torch.tensor(numbers.high + RANGE_MARGIN), k) < torch.inf:
            raise ValueError("the most that a cell may carry is nothing, or is no number")
    return prior, design


def _shapes(weights: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: x.shape for name, x in weights.items()}


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


def _stats(given: dict[str, Any]) -> LevelStats:
    """Of a stage. Raises OptionError, KeyError or TypeError."""
    numbers = {name: number(f"The {name}", given[name]) for name in ("mean", "std", "low", "high", "residual_std")}
    rhythm = given.get("rhythm")
    return LevelStats(**numbers, rhythm=None if rhythm is None else Rhythm.from_lists(**rhythm))
