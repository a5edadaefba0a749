"""Runs of the model in the background: all sessions take turns, and each has its own runs.

Streamlit runs each session's page in its own thread. Two weeks computed at once would take as long as one after the
other, and each page would stutter; so runs wait for their turn, the page stays usable, and a fragment of it looks at
its run.
"""

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from zoomdiff.app import charts, login, messages, metrics, work
from zoomdiff.app.guard import guarded
from zoomdiff.app.limits import Limits
from zoomdiff.app.turns import Turn, Turns

from zoomdiff.device import trim_memory
from zoomdiff.errors import ZoomDiffError
from zoomdiff.levels import S4T4
from zoomdiff.sampling import OnStep

THREADS = 100  # of runs that wait or compute; those of more sessions start when others end
EVERY = 0.3  # seconds between two looks of a page
GONE = 30.0  # seconds without a connection after which the browser counts as closed
GIVEN_UP = "The run was ended, as the page was away for a while: start it again."

Result = TypeVar("Result")


class Cancelled(Exception):
    """The run is no longer wanted; raised where the computation reports its progress."""


@dataclass(frozen=True)
class Job(Generic[Result]):
    """A computation, and what it costs in the unit of `work.cost`.

    `do` is called with its run, outside of Streamlit, and calls `report` as it goes.
    """

    do: "Callable[[Run[Result]], Result]"
    cost: float


@dataclass(frozen=True)
class Server:
    """What the runs of all sessions share."""

    turns: Turns
    threads: ThreadPoolExecutor

    @classmethod
    def new(cls) -> "Server":
        return cls(Turns(), ThreadPoolExecutor(THREADS, "zoomdiff", work.limit_threads))


@st.cache_resource(show_spinner=False)
def server() -> Server:
    """The one of this process."""
    return Server.new()


class Run(Generic[Result]):
    """A computation that waits for its turn, is under way, or is done.

    about    what it is for
    parts    what exists already, such as the levels of a week; the computation adds them
    problem  once it is done, the sentence that says why there is no result
    """

    def __init__(self, job: Job[Result], about: object = None) -> None:
        """The job waits for its turn from now on."""
        self.about, self.problem = about, None
        self.parts: list = []
        self._words = "Starting …"
        self._cancelled = threading.Event()
        self._connected = _connection()
        context = get_script_run_ctx()
        self._turns, self._turn = server().turns, Turn(job.cost, context and context.session_id)
        self._turns.add(self._turn)
        metrics.UNFINISHED.inc()
        self._future = server().threads.submit(self._serve, job.do)

    @property
    def done(self) -> bool:
        return self._future.done()

    @property
    def share(self) -> float:
        """Of the work, how much is done."""
        return self._turn.share

    @property
    def words(self) -> str:
        """How far it is, for people."""
        ahead = self._turns.ahead(self._turn)
        if ahead and self._turn.begun:
            return f"{self._words} (paused for a shorter run)"
        return f"Waiting for {ahead} other run{'s' if ahead > 1 else ''} …" if ahead else self._words

    def report(self, words: str, share: float) -> None:
        """Say how far the computation is, and give way to a shorter one. Raises Cancelled where it is not wanted."""
        self._words, self._turn.share = words, share
        self._check()
        self._turns.wait(self._turn, self._check)

    def cancel(self) -> None:
        """End it: at once where it waits, else at its next `report`."""
        self._cancelled.set()
        if not self._turn.begun:
            self._turns.finish(self._turn)  # nobody waits for it

    def result(self, timeout: float | None = None) -> Result | None:
        """What the computation returned; None where there is a `problem`. Raises its error where that is a bug."""
        return self._future.result(timeout)

    def _serve(self, do: "Callable[[Run[Result]], Result]") -> Result | None:
        # Only the sentence of an error is kept: its traceback would keep the arrays of the computation.
        end, came = "error", time.monotonic()
        try:
            self._turns.wait(self._turn, self._check)
            metrics.WAITED.observe(time.monotonic() - came)
            with metrics.BEGUN.track_inprogress(), metrics.TOOK.time():
                result = do(self)
            end = "done"
            return result
        except Cancelled:
            end, self.problem = "cancelled", GIVEN_UP
        except ZoomDiffError as error:
            end, self.problem = "refused", str(error)
        finally:
            self._turns.finish(self._turn)
            metrics.UNFINISHED.dec()
            metrics.ENDED.labels(end).inc()
            gc.collect()  # what pages left: Streamlit, which collects after every rerun, is set not to
            trim_memory()
        return None

    def _check(self) -> None:
        if self._cancelled.is_set() or not self._connected():
            raise Cancelled


def _connection() -> Callable[[], bool]:
    """Whether the browser of this session is connected: a closed tab must not keep others waiting.

    One that is back within GONE seconds was only shaky.
    """
    context = get_script_run_ctx()
    last = time.monotonic()

    def connected() -> bool:
        nonlocal last
        if context is None or not runtime.exists() or runtime.get_instance().is_active_session(context.session_id):
            last = time.monotonic()
        return time.monotonic() - last < GONE

    return connected


def by_stage(run: Run, steps: object, first: int = 0, last: int = len(S4T4) - 1) -> OnStep:
    """An `on_step` for `run`, in which the library makes the levels `first` to `last` in `steps`, as of `Sampling`."""
    efforts = work.efforts(steps)[first : last + 1]

    def on_step(k: int, step: int, most: int) -> None:
        what = charts.level_words(S4T4[k]).partition(" · ")[2]
        words = f"Stage {k - first + 1} of {len(efforts)}: {what}, step {step} of {most}"
        run.report(words, work.share_done(efforts, k - first, step, most))

    return on_step


def start(name: str, prepare: Callable[[], Job], about: object = None) -> None:
    """Begin the run `name` of this session; one under way ends.

    `prepare` is called at once and returns the job. An error of the library in it is kept for `problem`, and so is
    what this server, or this user, may not run.
    """
    cancel(name)
    try:
        login.check_maker()
        job = prepare()
        Limits.of_server().check(job.cost)
        _runs()[name] = Run(job, about)
    except ZoomDiffError as error:
        _problems()[name] = str(error)


def cancel(name: str) -> None:
    run = _runs().pop(name, None)
    if run is not None:
        run.cancel()


def start_button(label: str, name: str, prepare: Callable[[], Job], *, ready: bool, help: str) -> None:
    """A button that begins the run `name` as `start` does, where what it needs is `ready` and none is under way."""
    st.button(
        label,
        on_click=start,
        args=(name, prepare),
        key=f"{name}_run",
        type="primary",
        width="stretch",
        disabled=not ready or find(name) is not None,
        help=help,
    )


def find(name: str) -> Run | None:
    """This session's run `name`, if one is under way."""
    return _runs().get(name)


def problem(name: str) -> str | None:
    """Why the last run `name` failed; asking forgets it."""
    return _problems().pop(name, None)


def follow(name: str, on_done: Callable[[object], None], draw: Callable[[Run], None] = lambda run: None) -> bool:
    """Draw why the last run `name` failed, or the progress of one under way; returns whether one is.

    When it is done, `on_done` is called with what it returned, and the page is drawn anew. `draw` draws what exists
    already.
    """
    if sentence := problem(name):
        messages.error(sentence)
    if find(name) is None:
        return False
    _watch(name, on_done, draw)
    return True


@st.fragment(run_every=EVERY)
@guarded
def _watch(name: str, on_done: Callable[[object], None], draw: Callable[[Run], None]) -> None:
    """Look at the run `name` now and then."""
    run = find(name)
    if run is None:  # cancelled
        st.rerun()
    if run.done:
        del _runs()[name]
        result = run.result()
        if run.problem:
            _problems()[name] = run.problem
        else:
            on_done(result)
        st.rerun()
    # Every look draws the same blocks in the same places: a place that was now a block, now an element, once made the
    # browser put a late child of the block into the element, and the page stayed white.
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.progress(run.share, run.words)
        st.button("Cancel", on_click=cancel, args=(name,), key=f"{name}_cancel", width="content")
    draw(run)


def _runs() -> dict[str, Run]:
    return st.session_state.setdefault("runs", {})


def _problems() -> dict[str, str]:
    return st.session_state.setdefault("problems", {})
