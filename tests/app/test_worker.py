"""Computations queue, tell of their progress, and stop when nobody waits for them."""

import threading
import time

import pytest
from zoomdiff.app.worker import Cancelled, Worker


def test_a_task_tells_in_order_in_the_callers_thread_and_returns():
    heard, here = [], threading.get_ident()

    def task(tell):
        assert threading.get_ident() != here
        for number in range(5):
            tell(number, number**2)
        return "done"

    def on_told(number, square):
        assert threading.get_ident() == here
        heard.append((number, square))

    assert Worker().run(task, on_told) == "done"
    assert heard == [(n, n**2) for n in range(5)]


def test_what_a_task_raises_reaches_the_caller_and_the_next_one_is_served():
    worker = Worker()
    with pytest.raises(ZeroDivisionError):
        worker.run(lambda tell: 1 / 0, print)
    assert worker.run(lambda tell: 7, print) == 7


def test_a_caller_that_leaves_is_free_at_once_and_its_task_stops():
    worker, stopped = Worker(), threading.Event()

    class Left(Exception):
        pass

    def task(tell):
        try:
            while True:
                tell("step")
                time.sleep(0.01)
        except Cancelled:
            stopped.set()
            raise

    def leave(what):
        raise Left

    with pytest.raises(Left):
        worker.run(task, leave)
    assert stopped.wait(5), "the task goes on though nobody waits for it"
    assert worker.run(lambda tell: "free", print) == "free"


def test_the_second_caller_waits_and_is_told_how_many_are_before_it():
    worker, release, ahead, order = Worker(), threading.Event(), [], []

    def slow(tell):
        assert release.wait(10)
        order.append("first")

    def on_wait(number):
        if number:
            ahead.append(number)
            release.set()

    first = threading.Thread(target=worker.run, args=(slow, print))
    first.start()
    while not worker._unfinished:
        time.sleep(0.001)
    worker.run(lambda tell: order.append("second"), print, on_wait)
    first.join(10)
    assert ahead[0] == 1 and order == ["first", "second"]


def test_a_caller_that_leaves_the_queue_is_never_served():
    worker, release, served = Worker(), threading.Event(), []
    first = threading.Thread(target=worker.run, args=(lambda tell: release.wait(10), print))
    first.start()
    while not worker._unfinished:
        time.sleep(0.001)

    def leave(number):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        worker.run(lambda tell: served.append(1), print, leave)
    release.set()
    first.join(10)
    assert worker.run(lambda tell: "next", print) == "next" and not served


def test_a_caller_can_leave_during_a_long_step():
    worker, release = Worker(), threading.Event()

    def leave(number):
        assert number == 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        worker.run(lambda tell: release.wait(10), print, leave)
    release.set()
    assert worker.run(lambda tell: "next", print) == "next"
