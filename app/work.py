"""The heavy work behind the page, done once: maps, surroundings, the basemap, the model, a week of traffic."""

import gc
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import streamlit as st
import torch
from zoomdiff.app import basemap
from zoomdiff.app.limits import memory_left

from zoomdiff.checkpoint import load_model
from zoomdiff.context import UEC, MapLayers, build_uec, read_map
from zoomdiff.context.online import Progress
from zoomdiff.context.sources import ONLINE
from zoomdiff.device import name_of, pick_device
from zoomdiff.errors import MapError
from zoomdiff.generation import FAST
from zoomdiff.levels import S4T4
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

RESULTS_KEPT = 3  # per session; a week of 150 km2 takes about 100 MB
MEMORY_SHORT = 1e9  # bytes that are left
MAPS_KEPT = 4
UPLOADS = "zoomdiff-upload-"  # of the folders of uploaded files
WHOLE_MB = 100.0  # map files larger than this are read for one region at a time


@dataclass(frozen=True)
class People:
    """Who lives in the region, as far as the user knows: a raster file of people per pixel, their number."""

    raster: str | None = None
    residents: float | None = None


ESTIMATED = People()


@dataclass(frozen=True)
class Request:
    """What a week of traffic depends on: equal requests have equal results."""

    source: str
    region: str
    steps: str | int
    seed: int
    preset: str
    people: People = ESTIMATED

    @property
    def digest(self) -> str:
        """A short name for it."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Place:
    """A region of a map; `uec` is what the model knows about it, None while no region is chosen."""

    source: str
    layers: MapLayers
    region: Region
    uec: UEC | None


def region_key(region: Region) -> str:
    """The same for regions with the same blocks."""
    frame = (region.epsg, region.row, region.col, region.blocks.shape)
    return hashlib.sha256(repr(frame).encode() + region.blocks.tobytes()).hexdigest()


def by_region(source: str) -> bool:
    """Whether a map is read for one region at a time: it is downloaded, or its file is too large to read whole."""
    path = Path(source)
    return source in ONLINE or (path.is_file() and path.stat().st_size > WHOLE_MB * 1e6)


def map_of(source: str, region: Region | None = None, on_progress: Progress | None = None) -> MapLayers:
    """The map, read again only when its file has changed: all of it, or of a `by_region` one what `region` needs.

    on_progress  as for `read_map`: called while it is downloaded; an exception it raises ends the download
    Raises MapError, also where a region is needed and there is none.
    """
    if by_region(source) and region is None:
        raise MapError("This map is read for one region: choose the region first, as a box or a polygon.")
    key = (source, _changed(source), region.bounds if by_region(source) else None)
    kept = _maps()
    if key not in kept:
        kept[key] = read_map(source, bbox=key[2], on_progress=on_progress)
        while len(kept) > MAPS_KEPT:
            kept.pop(next(iter(kept)), None)
    return kept[key]


def surroundings_of(source: str, region: Region, people: People = ESTIMATED) -> UEC:
    """The context of a region of a map. Raises MapError, OptionError."""
    return _build(source, _changed(source), region, people)


def keep_upload(upload: BinaryIO) -> str:
    """The path of a file with an upload's bytes, which exists as long as the session."""
    if "uploads" not in st.session_state:
        st.session_state.uploads = tempfile.TemporaryDirectory(prefix=UPLOADS)
    data = upload.getvalue()
    path = (
        Path(st.session_state.uploads.name)
        / f"{hashlib.sha256(data).hexdigest()[:16]}{Path(upload.name).suffix.lower()}"
    )
    if not path.exists():
        path.write_bytes(data)
    return str(path)


def is_upload(path: str) -> bool:
    """Whether it is the path of an uploaded file."""
    folder = Path(path).parent
    return folder.name.startswith(UPLOADS) and folder.parent == Path(tempfile.gettempdir())


def basemap_of(source: str, region: Region, frame: basemap.Frame) -> bytes:
    """The picture of a map under a region."""
    return _draw(source, _changed(source), region if by_region(source) else None, frame)


@st.cache_resource(show_spinner=False)
def model():
    return load_model()


def device() -> str:
    """What weeks are computed on, for people."""
    limit_threads()
    return name_of(pick_device())


def limit_threads() -> None:
    """One core stays free for the page: with all of them busy neither its progress nor Cancel comes through in time."""
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))


def efforts(steps: object) -> list[float]:
    """What each level's stage costs: its strides, `steps` being those of `Sampling`, times the finest cells of one."""
    if steps == "fast":
        strides = FAST
    elif steps == "full":
        strides = model().stage_steps
    else:
        strides = (steps,) * len(S4T4)
    return [each / S4T4.space_factor(k) ** 2 for k, each in enumerate(strides)]


def cost(region: Region, steps: object, first: int = 0, last: int = len(S4T4) - 1) -> float:
    """What making the levels `first` to `last` of a region costs: its km2 x strides, as many as of the finest level."""
    return region.km2 * sum(efforts(steps)[first : last + 1])


def share_done(efforts: Sequence[float], k: int, step: int, steps: int) -> float:
    """Of all stages' efforts, the share that is done after a step of stage k."""
    return (sum(efforts[:k]) + efforts[k] * step / steps) / sum(efforts)


def results() -> dict[Request, TrafficWeek]:
    """This session's weeks, oldest first."""
    return st.session_state.setdefault("results", {})


@st.cache_resource(show_spinner=False)
def freeze_modules() -> None:
    """Keep what is imported out of garbage collections, which stop all threads: it lasts as long as the server."""
    gc.collect()
    gc.freeze()


def keep(request: Request, week: TrafficWeek) -> None:
    """Keep a week of this session in memory, and of the others the newest, as long as there is memory."""
    kept = results()
    kept.pop(request, None)
    kept[request] = week
    while len(kept) > (1 if memory_left() < MEMORY_SHORT else RESULTS_KEPT):
        kept.pop(next(iter(kept)))


def _changed(source: str) -> float:
    path = Path(source)
    return path.stat().st_mtime if path.exists() else 0.0


@st.cache_resource(show_spinner=False)
def _maps() -> dict[tuple, MapLayers]:
    """Maps of all sessions, oldest first. Not a cached function: those cannot report their progress."""
    return {}


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Region: region_key})
def _build(source: str, changed: float, region: Region, people: People) -> UEC:
    return build_uec(map_of(source, region), region, population=people.raster, residents=people.residents)


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs={Region: region_key})
def _draw(source: str, changed: float, region: Region | None, frame: basemap.Frame) -> bytes:
    return basemap.draw_basemap(map_of(source, region), frame)
