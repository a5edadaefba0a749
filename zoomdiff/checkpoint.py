"""A trained model as two files: weights (safetensors) and, beside them, a JSON that a person can read."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load_file, save_file

from zoomdiff.device import pick_device
from zoomdiff.diffusion.design import Design
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.network import DayTokenNetwork
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.diffusion.rhythm import Rhythm
from zoomdiff.errors import CheckpointError
from zoomdiff.files import ASSETS, whole_file
from zoomdiff.inputs import INPUTS
from zoomdiff.levels import S4T4, Hierarchy, Level

SHIPPED = ASSETS / "zoomdiff-s4t4.safetensors"
SIMULATED = "simulated traffic calibrated to open measurements"


def new_network(hierarchy: Hierarchy = S4T4, design: Design | None = None, **size: int) -> DayTokenNetwork:
    """An untrained network for this version's UEC; `size` may set channels and blocks."""
    return DayTokenNetwork(hierarchy, design, **{name: len(channels) for name, channels in INPUTS.items()}, **size)


def save_model(model: DRDM, path: Path, **notes) -> None:
    """Write `path` (weights) and its .json (hierarchy, statistics, inputs and `notes`); each whole or not at all."""
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
    with whole_file(path, "The weights") as weights, whole_file(path.with_suffix(".json"), "The weights") as text:
        save_file(model.network.state_dict(), weights)
        text.write_text(json.dumps(about, indent=1))


def load_model(path: Path = SHIPPED, device: str = "auto") -> DRDM:
    """The model of `path`, ready to sample. Raises CheckpointError if it is missing, damaged, or of another kind."""
    try:
        about = json.loads(path.with_suffix(".json").read_text())
        weights, sha256 = load_file(path), hashlib.sha256(path.read_bytes()).hexdigest()
        if about["inputs"] != INPUTS:
            raise CheckpointError(
                f"The weights {path.name} expect other map classes or presets: train again with this version."
            )
        hierarchy = Hierarchy(tuple(Level(**level) for level in about["hierarchy"]))
        design = Design(**(about["design"] | {"nodes": tuple(about["design"]["nodes"])}))
        stats = tuple(_stats(**level) for level in about["stats"])
        prior = ResidualPrior(hierarchy, about["scale"], stats, design.diffused(hierarchy))
        network = new_network(hierarchy, design, **about["network"])
        network.load_state_dict(weights)
        trained_on = about["trained_on"] if "trained_on" in about else described(about.get("train"))
    except OSError as error:
        raise CheckpointError(f"The weights {path} cannot be read: {error.strerror or 'no such file'}.") from error
    except (ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"The weights {path.name} or their JSON are damaged: restore both files.") from error
    return DRDM(network.to(pick_device(device)).eval(), prior, sha256, trained_on)


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
        return f"{' and '.join(sources)}, starting from {Path(init).name}, trained on {start or 'unrecorded data'}"
    return " and ".join(sources)


def _stats(rhythm: dict | None = None, **numbers: float) -> LevelStats:
    if rhythm is None:
        return LevelStats(**numbers)
    return LevelStats(**numbers, rhythm=Rhythm.from_lists(**rhythm))
