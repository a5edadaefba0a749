"""A run of the model in the background: the page stays usable, shows how far it is, and Cancel works at once.

The runs are the worker's, one after another for all sessions; here a session keeps hold of its own, whatever the user
clicks meanwhile.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import streamlit as st
from zoomdiff.app import charts, work
from zoomdiff.app.worker import Cancelled, Worker, worker

from zoomdiff.errors import ZoomDiffError
from zoomdiff.levels import S4T4

EVERY = 0.3  # seconds between two looks
ABANDONED = 300.0  # seconds without a look: the browser is gone (one in the background looks once a minute)


def waiting_words(ahead: int) -> str:
    return f"Waiting for {ahead} other run{'s' if ahead > 1 else ''} …"


class Job:
    """What `do` returns, some time later. `do` is called with an `on_step` for the library, outside of Streamlit.

    first, last  the levels that it makes
    """

    def __init__(self, do: Callable[[Callable], object], first: int = 0, last: int = len(S4T4) - 1) -> None:
        self.words, self.share, self._first, self._last = "Starting …", 0.0, first, last
        self._unwanted, self._seen = threading.Event(), time.monotonic()
        self._future: Future = Future()
        threading.Thread(target=self._run, args=(worker(), do), daemon=True).start()

    def look(self) -> bool:
        """Whether it is done."""
        self._seen = time.monotonic()
        return self._future.done()

    def cancel(self) -> None:
        self._unwanted.set()

    def result(self) -> object:
        return self._future.result()

    def _run(self, queue: Worker, do: Callable[[Callable], object]) -> None:
        """Wait for the worker, in a thread that no click of the user ends."""

        def task(tell: Callable) -> object:
            work.limit_threads()
            return do(tell)

        try:
            self._future.set_result(queue.run(task, self._told, self._wait))
        except BaseException as error:  # whatever it is, the page tells it
            self._future.set_exception(error)

    def _wait(self, ahead: int) -> None:
        self._check()
        if ahead:
            self.words = waiting_words(ahead)

    def _told(self, k: int, step: int, steps: int) -> None:
        self._check()
        words = charts.level_words(S4T4[k]).partition(" · ")[2]
        costs, k = work.COST[self._first : self._last + 1], k - self._first
        self.words = f"Stage {k + 1} of {len(costs)}: {words}, step {step} of {steps}"
        self.share = work.share_done(costs, k, step, steps)

    def _check(self) -> None:
        if self._unwanted.is_set() or time.monotonic() - self._seen > ABANDONED:
            raise Cancelled


def start(name: str, do: Callable[[Callable], object], **levels: int) -> None:
    """Begin the run `name` of this session; one that is under way ends."""
    cancel(name)
    st.session_state[f"{name}_job"] = Job(do, **levels)


def cancel(name: str) -> None:
    job = st.session_state.pop(f"{name}_job", None)
    if job is not None:
        job.cancel()


def running(name: str) -> bool:
    return f"{name}_job" in st.session_state


@st.fragment(run_every=EVERY)
def watch(name: str, on_done: Callable[[object], None]) -> None:
    """Draw the progress of the run `name` and its Cancel; when it is done, `on_done` gets what it returned.

    An error of the library is kept for `problem`. Then the page is drawn anew.
    """
    job, here = st.session_state.get(f"{name}_job"), st.empty()
    if job is None:  # cancelled; what is gone is gone at once, the rest of the page follows
        here.empty()
        st.rerun()
    if job.look():
        del st.session_state[f"{name}_job"]
        try:
            on_done(job.result())
        except Cancelled:  # nobody has looked for a while, and now somebody does
            st.session_state[f"{name}_problem"] = "The run was ended, as the page was away for a while: start it again."
        except ZoomDiffError as error:
            st.session_state[f"{name}_problem"] = str(error)
        st.rerun()
    bar, stop = here.container().columns([6, 1], vertical_alignment="bottom")
    bar.progress(job.share, job.words)
    stop.button("Cancel", on_click=cancel, args=(name,), key=f"{name}_cancel", width="stretch")


def problem(name: str) -> str | None:
    """Why the last run failed, told once."""
    return st.session_state.pop(f"{name}_problem", None)
