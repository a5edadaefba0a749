"""Maps by what a person calls them: a path, a name in a folder of maps, or a fictional town by its number."""

import glob
import os
import re
from pathlib import Path

from zoomdiff.context import MapLayers, read_map
from zoomdiff.context.online import Progress
from zoomdiff.context.sources import NAMES
from zoomdiff.data.procedural import procedural_map


def find_map(
    name: str, bbox: tuple[float, float, float, float] | None = None, on_progress: Progress | None = None
) -> MapLayers:
    """The map of a path, of a name such as firenze in the folder of maps $ZOOMDIFF_DATA/maps, or a fictional town7.

    The other names (helsinki, osm, overture), the arguments and the errors are those of `read_map`.
    """
    if re.fullmatch(r"town\d{1,9}", name):
        return procedural_map(int(name.removeprefix("town")), kilometres=8.0)
    folder = Path(os.environ.get("ZOOMDIFF_DATA", "../shared/data")) / "maps"
    known = [] if name in NAMES or Path(name).exists() or "/" in name else sorted(folder.glob(f"{glob.escape(name)}*"))
    return read_map(known[0] if len(known) == 1 else name, bbox=bbox, on_progress=on_progress)
