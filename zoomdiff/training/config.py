"""What a training run needs to be repeated, and the TOML files that hold it (assets/configs/)."""

import tomllib
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, TypeVar

from zoomdiff.arguments import choice, instance, number, path_of, seed_of, shown, whole, wrong
from zoomdiff.checkpoint import BLOCKS, CHANNELS
from zoomdiff.diffusion.design import Design, setting
from zoomdiff.diffusion.drdm import CONDITION_DROP
from zoomdiff.diffusion.schedule import PREFERENCES, SETTINGS
from zoomdiff.errors import OptionError
from zoomdiff.files import ASSETS
from zoomdiff.isolation import check_file
from zoomdiff.levels import Hierarchy
from zoomdiff.presets import PRESETS, check_preset

MOST_BYTES = 10_000_000  # of a file
CONFIGS = ASSETS / "configs"

# What the settings may be. Nothing useful is near the ends: they keep a slip of the keyboard from filling memory.
MOST_STEPS = 100_000_000
COUNTS = {
    "towns": range(10_001),
    "weeks": range(1, 1001),
    "steps": range(1, MOST_STEPS + 1),
    "cells": range(1, 10_000_001),
    "warmup": range(MOST_STEPS + 1),
    "save_every": range(1, MOST_STEPS + 1),
    "channels": CHANNELS,
    "blocks": BLOCKS,
}
NUMBERS = {
    "real_share": (0, 1),
    "condition_drop": (0, 1),
    "noise_power": (0.01, 100),
    "learning_rate": (0, 10),
    "ema": (0, 1),
}
NAMES = {"setting": SETTINGS, "preference": PREFERENCES}
PLACES = ("init", "splits", "held_out")  # text, or None
MANY_PLACES = ("maps", "own_weeks")

Settings = TypeVar("Settings", "TrainConfig", Design)


@dataclass(frozen=True)
class TrainConfig:
    """What a run needs to be repeated; saved beside the weights.

    Parameters
    ----------
    maps
        Map files or folders (see `context.read_map`); "helsinki" is kept for the users.
    own_weeks
        grid50.geojson files, one week of known traffic each, in the layout that `generate` writes; the map is then the
        first of `maps`, and nothing is simulated on it; every preset learns from it.
    init
        Weights to start from instead of random ones, or "shipped": fine-tuning keeps their design and statistics.
    splits
        File of splits, or "shipped" (see `training.splits`): of the maps that it names only the training blocks are
        used.
    presets
        Of the simulated cities (see `simulator.city`); every map is simulated with each.
    towns
        Number of procedural towns, in addition to the maps.
    real_share
        Share of the patches that are cut from `maps` where there are towns, too.
    weeks
        Simulated weeks per map and preset.
    held_out
        A map that is only evaluated on.
    steps
        Of gradient descent.
    cells
        Raster cells per step, whatever the level.
    condition_drop
        Share of the samples without UEC, for classifier-free guidance.
    noise_power
        Of the draws of the noise strength, 1 - u^power of a stage: below 1, weak noise is met more often.
    learning_rate, warmup
        The highest rate, and the steps until it is reached.
    ema
        Decay of the moving average of the weights.
    seed
        Of the cities, the patches and the noise.
    save_every
        Steps from one saved state to the next.
    setting
        Levels: S4T4 or another of `schedule.SETTINGS`.
    preference
        RGP: how the diffusion steps are shared among them (see `schedule.rgp`).
    design
        Of the model (see `diffusion.design`); its nodes are those of setting and preference.
    channels, blocks
        Size of the network.

    Raises
    ------
    OptionError
        A value has a wrong type, is unknown or out of its range.
    """

    maps: tuple[str, ...] = ()
    own_weeks: tuple[str, ...] = ()
    init: str | None = None
    splits: str | None = None
    presets: tuple[str, ...] = tuple(PRESETS)
    towns: int = 8
    real_share: float = 0.5
    weeks: int = 2
    held_out: str | None = None
    steps: int = 10_000
    cells: int = 2048
    condition_drop: float = CONDITION_DROP
    noise_power: float = 1.0
    learning_rate: float = 1e-3
    warmup: int = 300
    ema: float = 0.999
    seed: int = 0
    save_every: int = 500
    setting: str = "S4T4"
    preference: str = "fine"
    design: Design = field(default_factory=Design)
    channels: int = 64
    blocks: int = 6

    def __post_init__(self) -> None:
        for name, among in COUNTS.items():
            whole(f"The setting {name}", getattr(self, name), among)
        for name, (least, most) in NUMBERS.items():
            number(f"The setting {name}", getattr(self, name), None, least, most)
        for name, names in NAMES.items():
            choice(f"The setting {name}", getattr(self, name), names)
        for name in PLACES:
            instance(f"The setting {name}", getattr(self, name), (str, NoneType), "text, or None")
        for name in MANY_PLACES:
            places = getattr(self, name)
            if not isinstance(places, tuple) or not all(isinstance(place, str) and place for place in places):
                raise wrong(f"The setting {name}", places, "a list of texts")
        seed_of(self.seed)
        instance("The setting presets", self.presets, tuple, f"a list of {' and '.join(PRESETS)}, or of one of them")
        for preset in self.presets:
            check_preset(preset)
        if not 0 < len(self.presets) == len(set(self.presets)):
            raise wrong("The setting presets", self.presets, f"a list of {' and '.join(PRESETS)}, or of one of them")
        instance("The setting design", self.design, Design, "a table of the design's settings")

    @property
    def hierarchy(self) -> Hierarchy:
        """The levels of the setting."""
        return setting(self.setting, self.preference)[0]


def read_config(name: str) -> TrainConfig:
    """The configuration of a TOML file, or of a file in CONFIGS by its name ("shipped"); its keys are the fields.

    What it does not name keeps its default; [design] is a table of `Design`'s fields. Raises OptionError.
    """
    path = path_of("The configuration", name)
    try:
        if (known := CONFIGS / f"{name}.toml").exists():
            path = known
        check_file(path, OptionError, MOST_BYTES)
        values = tomllib.loads(path.read_text())
    except OSError as error:
        names = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.toml")))
        raise OptionError(f"There is no configuration {shown(name)}: give a TOML file or one of {names}.") from error
    except (ValueError, RecursionError) as error:
        parsed = isinstance(error, tomllib.TOMLDecodeError | UnicodeDecodeError | RecursionError)
        reason = error if parsed else "a number in it has thousands of digits"
        raise OptionError(f"{path} is not a TOML file: {reason}.") from error
    design = values.pop("design", {})
    instance(f"{path}: [design]", design, dict, "a table of the design's settings")
    return _of(values | {"design": _of(design, Design, f"{path}, [design]")}, TrainConfig, str(path))


def _of(values: dict[str, Any], kind: type[Settings], where: str) -> Settings:
    """kind(**values), lists as tuples. Raises OptionError."""
    if unknown := set(values) - {each.name for each in fields(kind)}:
        raise OptionError(f"{where}: there is no setting {shown(min(unknown))}.")
    settings: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    return kind(**settings)
