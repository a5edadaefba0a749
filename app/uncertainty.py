"""How sure is a week? The model makes more weeks of the same place; P10, P50 and P90 of them as maps and as a band.

The weeks are made on a thread of their own, so that the page stays usable meanwhile, one job at a time on this server.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from zoomdiff.app import charts, figures, work
from zoomdiff.app.worker import Cancelled, Tell, Worker, worker

from zoomdiff.analysis import ensemble
from zoomdiff.analysis.ensemble import Spread
from zoomdiff.context import UEC
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.errors import ZoomDiffError
from zoomdiff.levels import S4T4
from zoomdiff.week import TrafficWeek, human_bytes

COUNTS = (10, 20, 40)
KEPT = 3  # results per session; one of 60,000 squares of 50 m takes 120 MB
SEEDS = 2**53  # as many as the page's own field takes
POLL_SECONDS = 0.5
GONE_SECONDS = 30  # a connection that is back sooner was only shaky
QUANTILES = "P10 (low)", "P50 (middle)", "P90 (high)"
WHOLE_WEEK = "the whole week"


class Job:
    """Weeks in the making for level k; `share` and `words` tell how far they are.

    wanted  asked after every denoising step; where it says no the job ends
    """

    def __init__(
        self,
        key: tuple,
        model: DRDM,
        week: TrafficWeek,
        uec: UEC,
        k: int,
        count: int,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self.key, self.k, self.count, self._wanted = key, k, count, wanted
        self.share, self.words = 0.0, "Waiting for weeks that somebody else asked for …"
        self._stop = threading.Event()
        self.started: float | None = None
        self.future: Future[Spread] = Future()
        # A daemon: weeks in the making do not keep a server alive that is told to stop.
        threading.Thread(target=self._run, args=(worker(), model, week, uec), daemon=True).start()

    def cancel(self) -> None:
        """Ends the job after the denoising step that it is at."""
        self._stop.set()

    @property
    def seconds_left(self) -> float | None:
        """An estimate; None while there is nothing to go by."""
        if self.started is None or self.share < 0.03:
            return None
        return (time.monotonic() - self.started) * (1 - self.share) / self.share

    def _run(self, queue: Worker, model: DRDM, week: TrafficWeek, uec: UEC) -> None:
        """Wait for the worker, in a thread that no click of the user ends."""

        def task(tell: Tell) -> Spread:
            self.started = time.monotonic()
            work.limit_threads()
            return ensemble.spread(self._weeks(model, week, uec), self.k, self.count)

        try:
            self.future.set_result(queue.run(task, self._check, lambda ahead: self._check()))
        except BaseException as error:  # whatever it is, the page tells it
            self.future.set_exception(error)

    def _check(self) -> None:
        if self._stop.is_set() or not self._wanted():
            raise Cancelled

    def _weeks(self, model: DRDM, week: TrafficWeek, uec: UEC) -> Iterator[TrafficWeek]:
        """The week itself and those of the next seeds, one after the other."""
        yield week
        first = week.provenance.get("seed", 0)
        for made in range(1, self.count):
            yield ensemble.again(model, week, uec, (first + made) % SEEDS, self._on_step(made))
        self.words = "Comparing the weeks …"

    def _on_step(self, made: int) -> Callable[[int, int, int], None]:
        def on_step(k: int, step: int, steps: int) -> None:
            self._check()
            cell, _ = charts.cell_words(S4T4[k])
            self.words = f"Week {made + 1} of {self.count}: {cell}, step {step} of {steps}"
            self.share = (made - 1 + work.share_done(work.COST, k, step, steps)) / (self.count - 1)

        return on_step


def panel(key: str, week: TrafficWeek, uec: UEC, k: int, cell: tuple[int, int]) -> None:
    """Ask for weeks, watch them, and what they tell about level k and the finest cell `cell`; `key` names the week."""
    state = st.session_state
    done: dict[tuple, Spread] = state.setdefault("spreads", {})
    job: Job | None = state.get("spread_job")
    if job and job.key[0] != key:
        job.cancel()  # of a week that is shown no more
        job = state.spread_job = None
    if problem := state.pop("spread_problem", None):
        st.error(problem, icon=":material/error:")
    cell_word, _ = charts.cell_words(week.level(k))
    st.markdown(
        "**How sure is this week?** The same place could have had another week. The model makes several, which differ "
        f"by chance only, and shows between which volumes most of them lie, per {cell_word}."
    )
    count, button = st.columns([2, 5], vertical_alignment="bottom")
    weeks = count.segmented_control(
        "Weeks", COUNTS, required=True, default=20, key="spread_weeks", persist_state="page", disabled=job is not None
    )
    wanted = (key, k, weeks)
    if job is not None:
        st.fragment(_watch, run_every=POLL_SECONDS)(job)
    elif wanted not in done:
        words = f"Make {weeks} weeks"
        button.button(words, key="spread_start", type="primary", on_click=_start, args=(wanted, week, uec))
    if wanted in done:
        _result(week, done[wanted], cell)


def _start(wanted: tuple, week: TrafficWeek, uec: UEC) -> None:
    _, k, count = wanted
    try:
        ensemble.check_room(week.region, k, count)
        st.session_state.spread_job = Job(wanted, work.model(), week, uec, k, count, _while_open())
    except ZoomDiffError as error:
        st.session_state.spread_problem = str(error)


def _watch(job: Job) -> None:
    """The progress of the weeks; runs by itself now and then until they are there."""
    if job.future.done() and st.session_state.get("spread_job") is job:
        _collect(job)
    if st.session_state.get("spread_job") is not job:
        st.rerun()
    bar, stop = st.columns([7, 1], vertical_alignment="bottom")
    left = job.seconds_left
    about = "" if left is None else f", about {_duration(left)} left"
    bar.progress(min(job.share, 1.0), job.words + about)
    stop.button("Cancel", key="spread_cancel", on_click=_cancel, args=(job,), width="stretch")
    level = charts.cell_words(S4T4[job.k])[0]
    st.caption(f"For the {level} level. Go on with the page meanwhile; the result stays here.")


def _cancel(job: Job) -> None:
    job.cancel()
    st.session_state.spread_job = None


def _collect(job: Job) -> None:
    """Keep the result of a job that has ended, or what went wrong. Other errors than the user's are raised."""
    state = st.session_state
    state.spread_job = None
    try:
        state.spreads[job.key] = job.future.result()
    except ZoomDiffError as error:
        state.spread_problem = str(error)
    except Cancelled:  # not by the user, who would have taken the job away
        state.spread_problem = "The page lost its connection, so the weeks were given up: make them again."
    while len(state.spreads) > KEPT:
        state.spreads.pop(next(iter(state.spreads)))


def _result(week: TrafficWeek, spread: Spread, place: tuple[int, int]) -> None:
    k = spread.k
    side = week.region.hierarchy.space_factor(k)
    cell = place[0] // side, place[1] // side
    steps = [WHOLE_WEEK, *range(len(week.volumes[k]))]
    when = st.selectbox(
        "Maps of",
        steps,
        format_func=lambda step: step if step == WHOLE_WEEK else week.time_label(k, step),
        key=f"spread_when_{k}",
        width=340,
        persist_state="page",
    )
    volumes = spread.total if when == WHOLE_WEEK else spread.steps[:, when]
    label = WHOLE_WEEK if when == WHOLE_WEEK else week.time_label(k, when)
    cell_word, _ = charts.cell_words(week.level(k))
    st.markdown(f"**Traffic of {spread.weeks} weeks, {label}**")
    top = figures.robust_top(volumes)
    for column, name, values in zip(st.columns(3), QUANTILES, volumes, strict=True):
        drawn = figures.traffic_map(week, k, values, top, cell, name)
        column.plotly_chart(drawn, key=f"spread_{name}", config={"displayModeBar": False}, alt=f"Map of {name}")
    st.caption(f"P10: nine weeks in ten carry more in this {cell_word}. P90: nine weeks in ten carry less.")
    own = spread.total[:, *cell]
    words = ", ".join(
        f"{name} {human_bytes(float(value))}" for name, value in zip(("P10", "P50", "P90"), own, strict=True)
    )
    st.markdown(f"**The chosen {cell_word} over the week** ({words} in the whole week)")
    band = figures.band(week, spread, cell)
    st.plotly_chart(band, key="spread_band", config={"displayModeBar": False}, alt="P10 to P90 of the chosen cell")
    st.caption(
        "The busiest of this week often lies above its band, as it was chosen for that: other weeks peak elsewhere."
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _while_open() -> Callable[[], bool]:
    """Tells whether somebody has this session's page open: a closed tab must not keep others waiting."""
    context = get_script_run_ctx()
    last = time.monotonic()

    def is_open() -> bool:
        nonlocal last
        if context is None or not runtime.exists() or runtime.get_instance().is_active_session(context.session_id):
            last = time.monotonic()
        return time.monotonic() - last < GONE_SECONDS

    return is_open
