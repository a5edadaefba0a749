"""Overture Maps (overturemaps.org), from the network by region, or from a folder of its GeoParquet files.

Its classes are put into OpenStreetMap's words (the OVERTURE_ tables of classes.py), so that one set of tables decides
what they mean. Licence: ODbL for what comes from OpenStreetMap, CDLA Permissive 2.0 for places.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow
from overturemaps import core

from zoomdiff.context import cache, online, vector
from zoomdiff.context.classes import (
    OVERTURE_BUILDING,
    OVERTURE_LAND,
    OVERTURE_LEFT_OUT,
    OVERTURE_PLACE,
    OVERTURE_RAILWAY,
)
from zoomdiff.context.online import Progress
from zoomdiff.context.tagged import Tagged, column, nothing
from zoomdiff.errors import MapError
from zoomdiff.outline import Bounds

LICENCE = "ODbL 1.0, © OpenStreetMap contributors, Overture Maps Foundation; places: CDLA Permissive 2.0"
LANDS = ("land_use", "land", "water", "infrastructure")
TYPES = ("building", "segment", "place", *LANDS)
# What is kept of a feature: enough to classify it again when the tables change.
COLUMNS = (
    "id",
    "geometry",
    "subtype",
    "class",
    "height",
    "num_floors",
    "is_underground",
    "level",
    "road_flags",
    "rail_flags",
    "level_rules",
    "basic_category",
    "taxonomy",
    "categories",
    "confidence",
    "operating_status",
)
MARGIN = 0.002  # degrees: features come whole, so a small one is enough
SILENCE = 90.0  # seconds without data after which a download is given up
TRIES = (True, False, False)  # whether by the STAC index, which finds the files fast but is not always there
CONFIDENCE = 0.5  # of a place's existence; below it, more are wrong than right
GONE = ("is_abandoned", "is_under_construction", "is_disused", "is_razed")


def fetch(bbox: Bounds, on_progress: Progress | None = None) -> Path:
    """The entry of the cache with the map of `bbox` (west, south, east, north in degrees), downloaded if there is none.

    A new download is of the latest release.

    Raises
    ------
    MapError
        The network does not answer (within 3 s), the download fails or is damaged, or the box has nothing in it.
    """
    box = cache.rounded(bbox, MARGIN)
    entry = cache.find("overture", box)
    if entry is None:
        online.check([core.STAC_CATALOG_URL], "Overture's map of this region")
        entry = cache.add("overture", box, lambda part: _download(part, box, on_progress or (lambda what, share: None)))
    return entry


def stream_entry(entry: Path, bbox: Bounds | None = None) -> Iterator[Tagged]:
    """The map of an entry of the cache, or what touches `bbox` of it, in one part. Raises MapError."""
    about = cache.about(entry)
    release = about["release"]
    source = f"Overture Maps, release {release}"
    yield replace(
        read(entry, bbox), name="Overture Maps", source=source, date=release.split(".")[0], extent=tuple(about["box"])
    )


def is_folder(path: Path) -> bool:
    """Whether a folder holds Overture's files, named by its types: building.parquet, segment.parquet, ..."""
    return (path / "building.parquet").is_file() and (path / "segment.parquet").is_file()


def read(folder: Path, bbox: Bounds | None = None) -> Tagged:
    """Read <type>.parquet for every type of TYPES, or what touches `bbox`; absent ones are empty. Raises MapError."""
    raw = {kind: _file(folder / f"{kind}.parquet", bbox) for kind in TYPES}
    road = _value(raw["segment"], "subtype") == "road"
    rail = _value(raw["segment"], "subtype") == "rail"
    return Tagged(
        name=folder.name,
        source=f"Overture Maps, {folder.name}/",
        licence=LICENCE,
        buildings=buildings(raw["building"]),
        roads=roads(raw["segment"][road]),
        rails=rails(raw["segment"][rail]),
        areas=vector.join([lands(raw[kind]) for kind in LANDS]),
        pois=places(raw["place"]),
        coastlines=nothing(),  # the sea is among the water
    )


def buildings(raw: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Overture's buildings with OpenStreetMap's tags."""
    kind = _value(raw, "class").fillna(_value(raw, "subtype"))
    underground = _value(raw, "is_underground").eq(True) | (pd.to_numeric(_value(raw, "level")) < 0)
    tags: dict[str, pd.Series | list[str | None]] = {
        "building": kind.replace(OVERTURE_BUILDING).fillna("yes"),
        "building:levels": _value(raw, "num_floors"),
        "height": _value(raw, "height"),
        "layer": _where(underground, "-1"),
    }
    return _tagged(raw, **tags)


def roads(raw: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Segments of subtype road with OpenStreetMap's tags; Overture took its classes over from there."""
    raw = raw[~_flagged(raw, "road_flags", GONE)]
    return _tagged(raw, highway=_value(raw, "class"), tunnel=_tunnel(raw, "road_flags"), layer=_layer(raw))


def rails(raw: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Segments of subtype rail with OpenStreetMap's tags."""
    raw = raw[~_flagged(raw, "rail_flags", GONE)]
    railway = _value(raw, "class").replace(OVERTURE_RAILWAY)
    return _tagged(raw, railway=railway, tunnel=_tunnel(raw, "rail_flags"), layer=_layer(raw))


def lands(raw: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Features of one of LANDS with OpenStreetMap's tags: of their class, or else of their subtype."""
    tag = _value(raw, "class").map(OVERTURE_LAND)
    return _with_tag(raw, tag.fillna(_value(raw, "subtype").map(OVERTURE_LAND)))


def places(raw: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Places that are likely to exist and open, with OpenStreetMap's tags."""
    sure = pd.to_numeric(_value(raw, "confidence")).fillna(1.0) >= CONFIDENCE
    raw = raw[sure & _value(raw, "operating_status").fillna("open").eq("open")]
    return _with_tag(raw, pd.Series([place_tag(names) for names in place_names(raw)], index=raw.index, dtype=object))


def place_names(raw: gpd.GeoDataFrame) -> list[list[str]]:
    """What each place is called, from the most to the least specific word.

    The taxonomy of late 2025, then its basic category; the older categories only where there is neither.
    """
    names = []
    for taxonomy, basic, old in zip(
        _value(raw, "taxonomy"), _value(raw, "basic_category"), _value(raw, "categories"), strict=True
    ):
        path = taxonomy.get("hierarchy") if isinstance(taxonomy, dict) else None
        words = [*reversed([] if path is None else list(path)), *([basic] if isinstance(basic, str) else [])]
        if not words and isinstance(old, dict) and old.get("primary"):
            words = [old["primary"]]
        names.append(words)
    return names


def place_tag(names: list[str]) -> str | None:
    """The tag of the first name that has one; None if none has, or if one that is left out goes before it."""
    known = next((name for name in names if name in OVERTURE_PLACE or name in OVERTURE_LEFT_OUT), None)
    return None if known is None else OVERTURE_PLACE.get(known)


def _tunnel(raw: gpd.GeoDataFrame, flags: str) -> list[str | None]:
    return _where(_flagged(raw, flags, ("is_tunnel",)), "yes")


def _layer(raw: gpd.GeoDataFrame) -> list[str | None]:
    return _where(
        (_mostly(rules, lambda rule: (rule.get("value") or 0) < 0) for rules in _value(raw, "level_rules")), "-1"
    )


def _where(marked: Iterable[bool], value: str) -> list[str | None]:
    """The value for each that is marked, None for the others."""
    return [value if mark else None for mark in marked]


def _flagged(raw: gpd.GeoDataFrame, name: str, flags: tuple[str, ...]) -> np.ndarray:
    """(n,) whether one of the flags holds for most of the segment."""

    def has(rule: dict[str, Any]) -> bool:
        values = rule.get("values")
        return values is not None and any(flag in values for flag in flags)

    return np.array([_mostly(rules, has) for rules in _value(raw, name)], dtype=bool)


def _mostly(rules: Iterable[dict[str, Any]] | float | None, applies: Callable[[dict[str, Any]], bool]) -> bool:
    """Whether a segment's rules that apply hold for at least half of its length; NaN or None means no rules."""
    if rules is None or isinstance(rules, float):
        return False
    length = 0.0
    for rule in rules:
        if applies(rule):
            part = rule.get("between")
            length += 1.0 if part is None else part[1] - part[0]
    return length >= 0.5


def _with_tag(raw: gpd.GeoDataFrame, tag: pd.Series) -> gpd.GeoDataFrame:
    """The features with tags like "landuse=forest", a column per key; those without a tag are left out."""
    pairs = [words.split("=") for words in tag[tag.notna()]]
    keys = sorted({key for key, _ in pairs})
    return _tagged(raw[tag.notna()], **{one: [value if key == one else None for key, value in pairs] for one in keys})


def _tagged(raw: gpd.GeoDataFrame, **columns: list[str | None] | pd.Series) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {key: np.asarray(values, dtype=object) for key, values in columns.items()},
        geometry=np.asarray(raw.geometry.array),
        crs=4326,
    )


def _value(raw: gpd.GeoDataFrame, name: str) -> pd.Series:
    """A column as objects, None where a release does not have it."""
    values = column(raw, name)
    return values.astype(object).where(values.notna(), None)


def _file(path: Path, bbox: Bounds | None) -> gpd.GeoDataFrame:
    if not path.is_file():
        return nothing()
    raw = vector.parquet(path, COLUMNS)
    raw = vector.in_degrees(path, raw)
    return raw if bbox is None else raw.cx[bbox[0] : bbox[2], bbox[1] : bbox[3]]


def _download(part: Path, box: Bounds, on_progress: Progress) -> dict[str, Any]:
    """Write every type of the box into the folder `part`; returns which release it is."""
    try:
        release = online.get_json(core.STAC_CATALOG_URL)["latest"]
        rows = 0
        for done, kind in enumerate(TYPES):
            on_progress("Downloading from Overture Maps", done / len(TYPES))
            rows += _one_type(part / f"{kind}.parquet", kind, box, release)
        on_progress("Downloading from Overture Maps", 1.0)
    except (*online.FAILURES, ValueError, KeyError, pyarrow.ArrowException) as error:
        raise MapError("The download from Overture Maps failed: try again later, or take another map.") from error
    if not rows:
        raise MapError("Overture Maps has nothing in this region: choose another one.")
    return {"release": release, "box": box}


def _one_type(path: Path, kind: str, box: Bounds, release: str) -> int:
    """Write one type's features and return how many they are; tried once for each of TRIES. Raises OSError."""
    for stac in TRIES:
        try:
            batches = list(_batches(kind, box, release, stac))
            break
        except (*online.FAILURES, pyarrow.ArrowException) as error:
            failure = error
    else:
        raise OSError(f"no {kind} features") from failure
    if not batches:
        return 0
    table = pyarrow.Table.from_batches(batches)
    features = gpd.GeoDataFrame.from_arrow(table.select([name for name in table.column_names if name in COLUMNS]))
    features.set_crs(4326, allow_override=True).to_parquet(path)
    if len(gpd.read_parquet(path)) != len(table):
        raise OSError(f"{path.name} was not written whole")
    return len(table)


def _batches(kind: str, box: Bounds, release: str, stac: bool) -> Iterator[pyarrow.RecordBatch]:
    """What overturemaps reads. It has no time-out, so it works in a thread that may be left behind."""
    inbox: queue.SimpleQueue[pyarrow.RecordBatch | BaseException | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            reader = core.record_batch_reader(
                kind, box, release, connect_timeout=10, request_timeout=int(SILENCE / 3), stac=stac
            )
            if reader is None:  # it failed, or its index has no file there: without the index it is known for sure
                raise OSError("overturemaps could not read the data set")
            for batch in reader:
                inbox.put(batch)
            inbox.put(None)
        except BaseException as error:  # handed over to the thread that waits
            inbox.put(error)

    threading.Thread(target=work, daemon=True).start()
    while True:
        try:
            item = inbox.get(timeout=SILENCE)
        except queue.Empty:
            raise TimeoutError(f"no data for {SILENCE:.0f} s") from None
        if item is None:
            return
        if isinstance(item, BaseException):
            raise OSError(str(item)) from item
        yield item
