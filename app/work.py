"""The heavy work behind the page, done once: maps, surroundings, the basemap, the model, a week of traffic."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
import torch

import basemap
from zoomdiff.checkpoint import load_model
from zoomdiff.context import UEC, MapLayers, build_uec, read_map
from zoomdiff.device import name_of, pick_device
from zoomdiff.generate import FAST, generate
from zoomdiff.levels import S4T4
from zoomdiff.pyramid import TrafficPyramid
from zoomdiff.region import Region

RESULTS_KEPT = 3  # per session; a week of 150 km2 takes about 100 MB


@dataclass(frozen=True)
class Request:
    """What a week of traffic depends on: equal requests have equal results."""

    source: str
    region: str
    steps: str | int
    seed: int
    preset: str

    @property
    def digest(self) -> str:
        """A short name for it."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Place:
    """A region of a map; `uec` is what the model is told about it, None while nobody has chosen a region."""

    source: str
    layers: MapLayers
    region: Region
    uec: UEC | None


def region_key(region: Region) -> str:
    """The same for regions with the same blocks."""
    frame = (region.epsg, region.row, region.col, region.blocks.shape)
    return hashlib.sha256(repr(frame).encode() + region.blocks.tobytes()).hexdigest()


def map_of(source: str) -> MapLayers:
    """The map, read again only when its file has changed. Raises MapError."""
    return _read(source, _changed(source))


def surroundings_of(source: str, region: Region) -> UEC:
    """The context of a region of a map. Raises MapError."""
    return _build(source, _changed(source), region)


def basemap_of(source: str, frame: basemap.Frame) -> bytes:
    return _draw(source, _changed(source), frame)


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


def results() -> dict[Request, TrafficPyramid]:
    """This session's weeks, oldest first."""
    return st.session_state.setdefault("results", {})


def run(request: Request, uec: UEC, on_progress: Callable, on_level: Callable) -> None:
    """Generate the week of `request` and keep it.

    on_progress is called with (k, step, steps, share of all the work); what the callbacks raise ends the run.
    """
    cost = [1 / S4T4.space_factor(k) ** 2 for k in range(len(S4T4))]  # per denoising step: goes with the cells
    budget = FAST if request.steps == "fast" else (1,) * len(S4T4)
    work = [steps * one for steps, one in zip(budget, cost, strict=True)]

    def on_step(k: int, step: int, steps: int) -> None:
        on_progress(k, step, steps, (sum(work[:k]) + work[k] * step / steps) / sum(work))

    limit_threads()
    week = generate(
        model(),
        uec,
        steps=request.steps,
        seed=request.seed,
        preset=request.preset,
        on_step=on_step,
        on_level=on_level,
    )
    kept = results()
    kept[request] = week
    while len(kept) > RESULTS_KEPT:
        kept.pop(next(iter(kept)))


def _changed(source: str) -> float:
    path = Path(source)
    return path.stat().st_mtime if path.exists() else 0.0


@st.cache_resource(max_entries=3, show_spinner=False)
def _read(source: str, changed: float) -> MapLayers:
    return read_map(source)


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Region: region_key})
def _build(source: str, changed: float, region: Region) -> UEC:
    return build_uec(_read(source, changed), region)


@st.cache_data(max_entries=8, show_spinner=False)
def _draw(source: str, changed: float, frame: basemap.Frame) -> bytes:
    return basemap.draw_basemap(_read(source, changed), frame)
