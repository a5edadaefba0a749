"""What a training run needs to be repeated, and the TOML files that hold it (assets/configs/)."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from zoomdiff.arguments import number, seed_of, whole
from zoomdiff.diffusion.design import Design, setting
from zoomdiff.diffusion.drdm import CONDITION_DROP
from zoomdiff.errors import OptionError
from zoomdiff.files import ASSETS
from zoomdiff.isolation import check_file
from zoomdiff.levels import Hierarchy
from zoomdiff.presets import PRESETS, check_preset

MOST_BYTES = 10_000_000  # of a file

COUNTED = ("towns", "weeks", "steps", "cells", "warmup", "save_every", "channels", "blocks")
CONFIGS = ASSETS / "configs"


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
        A number is out of its range, or a preset is unknown.
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
        for name in COUNTED:
            least = 0 if name in ("towns", "warmup") else 1
            whole(f"The setting {name}", getattr(self, name), range(least, 2**31), f"a whole number from {least}")
        seed_of(self.seed)
        number("The setting learning_rate", self.learning_rate, "a number from 0", 0)
        for preset in self.presets:
            check_preset(preset)

    @property
    def hierarchy(self) -> Hierarchy:
        """The levels of the setting."""
        return setting(self.setting, self.preference)[0]


def read_config(name: str) -> TrainConfig:
    """The configuration of a TOML file, or of a file in CONFIGS by its name ("shipped"); its keys are the fields.

    What it does not name keeps its default; [design] is a table of `Design`'s fields. Raises OptionError.
    """
    path = CONFIGS / f"{name}.toml" if (CONFIGS / f"{name}.toml").exists() else Path(name)
    check_file(path, OptionError, MOST_BYTES)
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.toml")))
        raise OptionError(f"There is no configuration {name}: give a TOML file or one of {known}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OptionError(f"{path} is not a TOML file: {error}.") from error
    design = _typed(values.pop("design", {}), Design, f"{path}, [design]")
    return _typed(values | {"design": design}, TrainConfig, str(path))


def _typed(values: dict[str, Any], kind: type[Settings], where: str) -> Settings:
    """kind(**values), lists as tuples; one sentence for a key or a type that does not fit."""
    default = kind()
    for key, value in values.items():
        if key not in {each.name for each in fields(kind)}:
            raise OptionError(f"{where}: there is no setting {key!r}.")
        wanted = getattr(default, key)
        values[key] = value = tuple(value) if isinstance(value, list) else value
        kinds = (int, float) if isinstance(wanted, float) else str if wanted is None else type(wanted)
        if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(wanted, bool):
            raise OptionError(f"{where}: {key} must be like {wanted!r}, not {value!r}.")
    try:
        return kind(**values)
    except ValueError as error:
        raise OptionError(f"{where}: {error}.") from error
