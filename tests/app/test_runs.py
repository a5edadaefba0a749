"""Runs in the background: they take turns, report how far they are, and end when they are no longer wanted."""

import gc
import threading
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from zoomdiff.app import runs
from zoomdiff.app.runs import Job

from zoomdiff.errors import OptionError

PATIENCE = 60  # seconds until a thread that hangs fails a test


@pytest.fixture(autouse=True)
def own_server(monkeypatch) -> None:
    """Other turns and threads for each test."""
    server = runs.Server.new()
    monkeypatch.setattr(runs, "server", lambda: server)


def Run(do, about: object = None, cost: float = 1.0) -> runs.Run:
    """A run of a computation."""
    return runs.Run(Job(do, cost), about)


class Endless:
    """A computation that reports and never ends by itself."""

    def __init__(self) -> None:
        self.began, self.ended = threading.Event(), threading.Event()

    def __call__(self, run: runs.Run) -> None:
        try:
            while True:
                run.report("step", 0.5)
                self.began.set()
                time.sleep(0.001)
        finally:
            self.ended.set()


class Gate:
    """A computation that waits to be let through; it reports nothing, as a long step does."""

    def __init__(self) -> None:
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self, run: runs.Run) -> bool:
        self.began.set()
        return self.go.wait(PATIENCE)


def test_a_run_reports_from_another_thread_and_returns():
    here = threading.get_ident()

    def do(run: runs.Run) -> str:
        assert threading.get_ident() != here
        run.report("half of it", 0.5)
        run.parts.append("a part")
        return "done"

    run = Run(do, about="this")
    assert run.result(PATIENCE) == "done" and run.done
    assert (run.words, run.share, run.parts, run.about, run.problem) == ("half of it", 0.5, ["a part"], "this", None)


def test_a_cancelled_run_ends_and_the_next_is_served():
    endless = Endless()
    run = Run(endless)
    assert endless.began.wait(PATIENCE) and not run.done
    run.cancel()
    assert endless.ended.wait(PATIENCE)
    assert Run(lambda run: "next").result(PATIENCE) == "next"


def test_a_run_cancelled_in_the_queue_is_never_served():
    gate, served = Gate(), []
    first = Run(gate)
    second = Run(served.append)
    third = Run(lambda run: "third")
    assert gate.began.wait(PATIENCE) and third.words == "Waiting for 2 other runs …"
    second.cancel()
    assert third.words == "Waiting for 1 other run …", "nobody waits for a cancelled one"
    gate.go.set()
    assert first.result(PATIENCE) is True and third.result(PATIENCE) == "third" and not served


def test_runs_are_served_in_order():
    gate, order = Gate(), []
    first = Run(gate)
    others = [Run(lambda run, n=n: order.append(n)) for n in range(5)]
    gate.go.set()
    for run in (first, *others):
        run.result(PATIENCE)
    assert order == [0, 1, 2, 3, 4]


def test_a_short_run_pauses_a_long_one():
    endless = Endless()
    long = Run(endless, cost=100)
    assert endless.began.wait(PATIENCE)
    gate = Gate()
    short = Run(gate, cost=1)
    assert gate.began.wait(PATIENCE) and long.words == "step (paused for a shorter run)" and short.words == "Starting …"
    gate.go.set()
    assert short.result(PATIENCE) is True
    long.cancel()
    assert endless.ended.wait(PATIENCE)


def test_a_paused_run_can_be_cancelled():
    endless, gate = Endless(), Gate()
    long = Run(endless, cost=100)
    assert endless.began.wait(PATIENCE)
    short = Run(gate, cost=1)
    assert gate.began.wait(PATIENCE)
    long.cancel()
    assert long.result(PATIENCE) is None and not short.done
    gate.go.set()
    assert short.result(PATIENCE) is True


def test_an_error_of_the_library_is_kept_as_its_sentence_and_a_bug_is_raised():
    def wrong(run: runs.Run) -> None:
        raise OptionError("The seed is wrong.")

    run = Run(wrong)
    assert run.result(PATIENCE) is None and run.problem == "The seed is wrong."
    with pytest.raises(ZeroDivisionError):
        Run(lambda run: 1 / 0).result(PATIENCE)
    assert Run(lambda run: "next").result(PATIENCE) == "next"


def test_a_run_whose_browser_is_gone_ends(monkeypatch):
    monkeypatch.setattr(runs, "_connection", lambda: lambda: False)
    run = Run(Endless())
    assert run.result(PATIENCE) is None and run.problem == runs.GIVEN_UP


def test_a_browser_is_gone_only_after_a_while(monkeypatch):
    clock, sessions = [0.0], {"mine"}
    server = SimpleNamespace(is_active_session=sessions.__contains__)
    monkeypatch.setattr(runs.runtime, "exists", lambda: True)
    monkeypatch.setattr(runs.runtime, "get_instance", lambda: server)
    monkeypatch.setattr(runs, "get_script_run_ctx", lambda: SimpleNamespace(session_id="mine"))
    monkeypatch.setattr(runs, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    connected = runs._connection()
    clock[0] += 1000
    assert connected()
    sessions.clear()
    clock[0] += runs.GONE - 1
    assert connected()
    clock[0] += 2
    assert not connected()


@pytest.mark.parametrize("ending", ["cancelled", "wrong", "done"])
def test_nothing_of_a_run_stays_in_memory(ending):
    kept = []

    class Array(np.ndarray):
        """One that can be watched."""

    def do(run: runs.Run) -> np.ndarray:
        array = np.zeros(3).view(Array)
        kept.append(weakref.ref(array))
        if ending == "wrong":
            raise OptionError("Wrong.")
        if ending == "cancelled":
            raise runs.Cancelled
        return array

    gc.disable()
    try:
        run = Run(do)
        assert (run.result(PATIENCE) is None) == (ending != "done")
        del run
        Run(lambda run: None).result(PATIENCE)  # the queue's thread has let go of the first
        assert kept[0]() is None
    finally:
        gc.enable()


def test_what_pages_left_is_collected_after_a_run():
    class Cycle:
        """One that only a collection frees."""

    cycle = Cycle()
    cycle.itself, left = cycle, weakref.ref(cycle)
    gc.disable()
    try:
        del cycle
        assert left() is not None
        Run(lambda run: None).result(PATIENCE)
        assert left() is None
    finally:
        gc.enable()


def steps_of(first: int, last: int, steps: object, walk: list[tuple[int, int, int]]) -> list[tuple[str, float]]:
    """What a run reports at these (level, step, steps)."""
    seen = []
    run = SimpleNamespace(report=lambda words, share: seen.append((words, share)))
    on_step = runs.by_stage(run, steps, first, last)
    for at in walk:
        on_step(*at)
    return seen


def test_a_stage_is_reported_with_the_share_of_the_work():
    words, shares = zip(*steps_of(2, 3, 2, [(2, 1, 2), (2, 2, 2), (3, 1, 2), (3, 2, 2)]), strict=True)
    assert words == tuple(
        f"Stage {k} of 2: {side} m grid, step {n} of 2" for k, side in ((1, 100), (2, 50)) for n in (1, 2)
    )
    assert shares == pytest.approx([0.1, 0.2, 0.6, 1.0])


def test_a_run_that_ends_early_counts_its_own_stages():
    assert steps_of(0, 1, 2, [(1, 2, 2)]) == [("Stage 2 of 2: cell, step 2 of 2", pytest.approx(1))]


def test_fast_stages_count_by_their_strides():
    ((_, share),) = steps_of(0, 1, "fast", [(0, 30, 30)])
    assert share == pytest.approx(30 / (30 + 4 * 20))
