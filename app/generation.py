"""The week of the page while it is made: each level is shown as soon as it exists."""

from functools import partial

import numpy as np
import pydeck as pdk
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from zoomdiff.app import explore, maps, runs, store, work, zoommap
from zoomdiff.app.colours import Scale
from zoomdiff.app.runs import Job, Run
from zoomdiff.app.work import Request

from zoomdiff.context import UEC
from zoomdiff.generation import generate
from zoomdiff.levels import S4T4
from zoomdiff.region import Region
from zoomdiff.sampling import Callbacks, Sampling
from zoomdiff.week import TrafficWeek

NAME = "generate"  # of its run
Made = tuple[Request, TrafficWeek, str | None]  # with its token in the store


def start(request: Request, uec: UEC) -> None:
    """Begin to make the week of `request`."""
    runs.start(NAME, partial(_prepare, request, uec), about=request)


def _prepare(request: Request, uec: UEC) -> Job[Made]:
    model, sampling = work.model(), Sampling(request.steps, request.preset)

    def do(run: Run) -> Made:
        def on_level(k: int, volumes: np.ndarray) -> None:
            run.parts.append((volumes.mean(0), zoommap.sheet(volumes, Scale.of(volumes), feed(request, k))))

        callbacks = Callbacks(runs.by_stage(run, request.steps), on_level)
        week = generate(model, uec, seed=request.seed, sampling=sampling, callbacks=callbacks)
        return request, week, store.keep(request, week)

    return Job(do, work.cost(uec.region, request.steps))


def busy() -> bool:
    """Whether this session's week is being made."""
    return runs.find(NAME) is not None


def feed(request: Request, k: int) -> str:
    """The name under which the map waits for level k."""
    return f"live-{k}-{request.digest}"


def progress(region: Region, canvas: DeltaGenerator | None, below: list[pdk.Layer]) -> None:
    """How far the week is, and its levels: on `canvas`, above the layers `below`; on the map component without one."""
    runs.follow(NAME, _keep, partial(_draw, region=region, canvas=canvas, below=below))


def _keep(made: Made) -> None:
    request, week, token = made
    work.keep(request, week)
    if token:
        store.tokens()[request] = token


def _draw(run: Run, *, region: Region, canvas: DeltaGenerator | None, below: list[pdk.Layer]) -> None:
    levels = list(run.parts)  # the run goes on adding
    means = [mean for mean, _ in levels]
    st.html(explore.so_far(region, means, legend=canvas is not None))
    if canvas is None:
        with st.container(key="live_feeds", gap=None):
            for _, sheet in levels:
                zoommap.send(sheet)
        return
    layers = [*below, maps.blocks_layer(region)]
    if means:
        scale = Scale.of(means[-1])
        layers.insert(-1, maps.traffic_layer(means[-1], region, len(means) - 1, scale, explore.LIVE_OPACITY))
    canvas.pydeck_chart(maps.deck(layers, region), height=explore.MAP_HEIGHT)


def awaited(request: Request) -> list[zoommap.Sheet]:
    """The levels of the week, for a map that waits for them."""
    return [zoommap.Sheet(feed(request, k)) for k in range(len(S4T4))]
