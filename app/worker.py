"""Long computations, few at a time, away from the page that waits for them.

Streamlit runs each session's page in a thread of its own. Two weeks computed at once would take as long as one after
the other, and each page would stutter; so they queue here, and a page only looks on.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import streamlit as st

AT_ONCE = 1  # the model takes all cores but one
LOOK = 0.2  # seconds between looks: how soon a page notices that its user has cancelled or gone

Result = TypeVar("Result")
Tell = Callable[..., None]


class Cancelled(Exception):
    """Nobody waits for this any more; raised where the computation tells of its progress."""


class Worker:
    """Runs computations in the order in which they were asked for, AT_ONCE at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="zoomdiff")
        self._unfinished: list[Future] = []
        self._lock = threading.Lock()

    def run(
        self,
        task: Callable[[Tell], Result],
        on_told: Callable[..., None],
        on_wait: Callable[[int], None] = lambda ahead: None,
    ) -> Result:
        """The result of `task(tell)`; what the task raises is raised here.

        task     called in the worker's thread; what it passes to `tell` reaches `on_told`, in the thread of the caller
        on_told  may end the wait by raising, as Streamlit does where the user has clicked something else: the task is
                 then stopped at its next `tell`, and nobody waits for it
        on_wait  called again and again while nothing is told, with the number of those who are served before; 0 once
                 the task runs. It may end the wait, too: a single step of a large region takes seconds
        """
        told: queue.SimpleQueue = queue.SimpleQueue()
        gone = threading.Event()

        def tell(*what) -> None:
            if gone.is_set():
                raise Cancelled
            told.put(what)

        with self._lock:
            future = self._pool.submit(task, tell)
            self._unfinished.append(future)
        try:
            while not (future.done() and told.empty()):
                try:
                    on_told(*told.get(timeout=LOOK))
                except queue.Empty:
                    on_wait(0 if future.running() else self._ahead(future))
            return future.result()
        finally:
            gone.set()
            future.cancel()

    def _ahead(self, future: Future) -> int:
        """How many are served before this one."""
        with self._lock:
            self._unfinished = [one for one in self._unfinished if not one.done()]
            return self._unfinished.index(future) if future in self._unfinished else 0


@st.cache_resource(show_spinner=False)
def worker() -> Worker:
    """The one of this server."""
    return Worker()
