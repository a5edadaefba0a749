"""Inside the denoising: the shown level at any step of its stage, from almost pure noise to the finished traffic.

One run of the model down to the level gives all steps. They are kept in the form in which the map receives them, one
byte per value, and the map shows one of them in place of the level: time, player, colours and tooltip work on it, too.
"""

import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import streamlit as st
from zoomdiff.app import charts, runs, work, zoommap
from zoomdiff.app.colours import Scale
from zoomdiff.app.runs import Job, Run
from zoomdiff.app.work import Request

from zoomdiff.context import UEC
from zoomdiff.generation import watch
from zoomdiff.sampling import Sampling
from zoomdiff.week import TrafficWeek

NAME = "denoising"  # of its run, and the beginning of its keys
ROOM = 64e6  # bytes of the steps of one level: of large regions only every second, third, ... step is kept


@dataclass
class Film:
    """The steps of level k of a week.

    most    what code 255 means: the most that the finished level has; noise above it counts as that
    frames  by the number of steps that are still to go, codes (T_k, H_k, W_k) of `zoommap.encode`
    """

    request: Request
    k: int
    most: float
    frames: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, left: int, volumes: np.ndarray) -> None:
        self.frames[left], _ = zoommap.encode(volumes, self.most)

    @property
    def key(self) -> str:
        """The key of its slider: each film has its own, as a slider whose value Python sets would lose quick moves."""
        return f"{NAME}_{self.k}_{self.request.digest}"

    @property
    def steps(self) -> list[int]:
        """Steps to go, noisiest first; 0, the finished level, is no frame."""
        return [*sorted(self.frames, reverse=True), 0]

    def sheet(self, left: int, scale: Scale) -> zoommap.Sheet:
        return zoommap.code_sheet(self.frames[left], self.most, scale)


def shown(request: Request, k: int, sheets: list[zoommap.Sheet]) -> list[zoommap.Sheet]:
    """The sheets of a week for a map that shows level k: that one's at the chosen step."""
    film: Film | None = st.session_state.get("denoising_film")
    if film is None or (film.request, film.k) != (request, k):
        return sheets
    left = st.session_state.get(film.key, film.steps[0])
    if left == 0:
        return sheets
    return [*sheets[:k], film.sheet(left, st.session_state.scales[k]), *sheets[k + 1 :]]


def control(week: TrafficWeek, uec: UEC, request: Request, k: int) -> None:
    """The slider of level k, below the button that makes its steps."""
    if runs.follow(NAME, _keep):
        return
    film: Film | None = st.session_state.get("denoising_film")
    if film is None or (film.request, film.k) != (request, k):
        cell, _ = charts.cell_words(week.level(k))
        st.button(
            "See it come out of the noise",
            on_click=runs.start,
            args=(NAME, partial(_prepare, week, uec, request, k)),
            key="denoising_start",
            icon=":material/blur_on:",
            width="stretch",
            help=f"Every {cell} begins as chance. The slider then shows this level at any step on its way to traffic.",
        )
        return
    most = film.steps[0] + 1
    st.container(key=NAME).select_slider(
        "Out of the noise",
        film.steps,
        format_func=lambda left: f"{left} of {most} steps to go" if left else "finished",
        key=film.key,
        persist_state="page",
    )


def _prepare(week: TrafficWeek, uec: UEC, request: Request, k: int) -> Job[Film]:
    model = work.model()
    steps = model.design.stage_steps(k)
    every = math.ceil(steps * week.volumes[k].size / ROOM)
    film = Film(request, k, float(week.volumes[k].max()) or 1.0)
    wanted = range(steps - 1, 0, -every)
    options = {"seed": request.seed, "sampling": Sampling(request.steps, request.preset)}

    def do(run: Run) -> Film:
        watch(model, uec, k, wanted, film.add, **options, on_step=runs.by_stage(run, request.steps, last=k))
        return film

    return Job(do, work.cost(uec.region, request.steps, last=k))


def _keep(film: Film) -> None:
    st.session_state.denoising_film = film
