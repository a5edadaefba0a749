"""Files and simulated cities beside open measurements: what `python -m zoomdiff realism` prints."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from zoomdiff.context import read_map
from zoomdiff.errors import OptionError, printable
from zoomdiff.presets import PRESETS
from zoomdiff.realism.samples import City, read_generated, read_measured
from zoomdiff.realism.statistics import HourlyGrid
from zoomdiff.realism.table import realism_table


def compare(
    files: Sequence[Path], maps: Sequence[str] = (), *, presets: Sequence[str] = PRESETS, seeds: int = 1
) -> tuple[pd.DataFrame, list[str]]:
    """The realism table of files and of weeks simulated on maps; `format_table` writes it out.

    Generated and simulated traffic is summed to blocks of 400 m first, about the size of the measured cells, and
    compared in the urban clusters of the maps.

    Parameters
    ----------
    files
        Measurements, see `samples.read_measured`, or generated grid50.geojson files.
    maps
        Names or files of maps to simulate the reference city on.
    presets, seeds
        Whose habits are simulated, and how many weeks for each.

    Returns
    -------
    table, notes
        As `realism_table`; sentences for the user.

    Raises
    ------
    OptionError
        There is nothing to compare, or a file or preset is of no known kind.
    DataError, MapError
        A file or map cannot be used.
    """
    cities = [City.on(read_map(name)) for name in maps]
    samples: dict[str, HourlyGrid] = {}
    notes = []
    for file in files:
        is_generated = file.suffix.lower() == ".geojson"
        name = file.parent.name or file.stem if is_generated else file.stem
        name = printable(str(file) if printable(name) in samples else name)
        if is_generated:
            samples[name], city = read_generated(file, cities)
            if city is None:
                notes.append(f"No --city holds {file}, so its countryside is compared, too.")
        else:
            samples[name], about = read_measured(file)
            notes += about
    for city in cities:
        for preset in presets:
            for seed in range(seeds):
                samples[printable(f"{city.name} {preset} {seed}")] = city.simulated(preset, seed)
    if not samples:
        raise OptionError("There is nothing to compare: give files or --city.")
    return realism_table(samples), notes
