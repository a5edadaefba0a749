"""Runs of the model in the background: one queue for all sessions, and each session's own runs.

Streamlit runs each session's page in its own thread. Two weeks computed at once would take as long as one after the
other, and each page would stutter; so runs queue, the page stays usable, and a fragment of it looks at its run.
"""

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from zoomdiff.app import charts, messages, work
from zoomdiff.app.guard import guarded

from zoomdiff.errors import ZoomDiffError
from zoomdiff.levels import S4T4
from zoomdiff.sampling import OnStep

AT_ONCE = 1  # the model takes all cores but one
EVERY = 0.3  # seconds between two looks of a page
GONE = 30.0  # seconds without a connection after which the browser counts as closed
GIVEN_UP = "The run was ended, as the page was away for a while: start it again."

Result = TypeVar("Result")


class Cancelled(Exception):
    """The run is no longer wanted; raised where the computation reports its progress."""


class Queue:
    """Serves computations in the order in which they were submitted, AT_ONCE at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="zoomdiff", initializer=work.limit_threads)
        self._unfinished: list[Future] = []
        self._lock = threading.RLock()  # a future that is done at once is forgotten while it is submitted

    def submit(self, do: Callable[[], Result]) -> "Future[Result]":
        with self._lock:
            future = self._pool.submit(do)
            self._unfinished.append(future)
            future.add_done_callback(self._forget)
        return future

    def ahead(self, future: Future) -> int:
        """How many are served before this one."""
        with self._lock:
            return self._unfinished.index(future) if future in self._unfinished else 0

    def _forget(self, future: Future) -> None:
        with self._lock:
            self._unfinished.remove(future)


@st.cache_resource(show_spinner=False)
def queue() -> Queue:
    """The server's queue."""
    return Queue()


class Run(Generic[Result]):
    """A computation that waits in the queue, is under way, or is done.

    about    what it is for
    share    of the work, how much is done
    parts    what exists already, such as the levels of a week; the computation adds them
    problem  once it is done, the sentence that says why there is no result
    """

    def __init__(self, do: "Callable[[Run[Result]], Result]", about: object = None) -> None:
        """Put `do` into the queue; it is called with this run, outside of Streamlit, and calls `report` as it goes."""
        self.about, self.share, self.problem = about, 0.0, None
        self.parts: list = []
        self._words = "Starting …"
        self._cancelled = threading.Event()
        self._connected = _connection()
        self._queue = queue()
        self._future = self._queue.submit(lambda: self._serve(do))

    @property
    def done(self) -> bool:
        return self._future.done()

    @property
    def words(self) -> str:
        """How far it is, for people."""
        ahead = self._queue.ahead(self._future)
        return f"Waiting for {ahead} other run{'s' if ahead > 1 else ''} …" if ahead else self._words

    def report(self, words: str, share: float) -> None:
        """Say how far the computation is. Raises Cancelled where it is no longer wanted."""
        self._check()
        self._words, self.share = words, share

    def cancel(self) -> None:
        """End it: at once where it waits, else at its next `report`."""
        self._cancelled.set()
        self._future.cancel()

    def result(self, timeout: float | None = None) -> Result | None:
        """What the computation returned; None where there is a `problem`. Raises its error where that is a bug."""
        return self._future.result(timeout)

    def _serve(self, do: "Callable[[Run[Result]], Result]") -> Result | None:
        # Only the sentence of an error is kept: its traceback would keep the arrays of the computation.
        try:
            self._check()
            return do(self)
        except Cancelled:
            self.problem = GIVEN_UP
        except ZoomDiffError as error:
            self.problem = str(error)
        finally:
            gc.collect()  # what pages left: Streamlit, which collects after every rerun, is set not to
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


def start(name: str, prepare: Callable[[], Callable[[Run], object]], about: object = None) -> None:
    """Begin the run `name` of this session; one under way ends.

    `prepare` is called at once and returns the computation. An error of the library in it is kept for `problem`.
    """
    cancel(name)
    try:
        _runs()[name] = Run(prepare(), about)
    except ZoomDiffError as error:
        _problems()[name] = str(error)


def cancel(name: str) -> None:
    run = _runs().pop(name, None)
    if run is not None:
        run.cancel()


def start_button(
    label: str, name: str, prepare: Callable[[], Callable[[Run], object]], *, ready: bool, help: str
) -> None:
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
