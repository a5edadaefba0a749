"""Runs in the background: how far they are, and that they end when nobody wants them."""

import threading
import time

import pytest
from zoomdiff.app import job

PATIENCE = 30  # seconds on a busy machine; usually it takes a moment


def until(true) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def endless(on_step):
    while True:
        on_step(0, 1, 10)
        time.sleep(0.01)


def test_a_cancelled_run_ends():
    running = job.Job(endless)
    until(lambda: running.share > 0)
    assert not running.look()
    running.cancel()
    with pytest.raises(job.Cancelled):
        running.result()
    assert job.Job(lambda on_step: "next").result() == "next", "the worker is free again"


def test_a_run_that_nobody_looks_at_ends(monkeypatch):
    monkeypatch.setattr(job, "ABANDONED", 0.2)
    with pytest.raises(job.Cancelled):
        job.Job(endless).result()


def test_a_second_run_waits_and_says_so():
    began, go = threading.Event(), threading.Event()
    first = job.Job(lambda on_step: began.set() or go.wait(PATIENCE))
    assert began.wait(PATIENCE)
    second = job.Job(lambda on_step: "done")
    until(lambda: second.words == "Waiting for 1 other run …")
    go.set()
    assert first.result() is True and second.result() == "done"


def test_a_run_that_ends_early_counts_its_own_stages():
    running = job.Job(lambda on_step: on_step(1, 2, 2), last=1)
    running.result()
    assert running.words == "Stage 2 of 2: cell, step 2 of 2" and running.share == pytest.approx(1)


def test_a_run_tells_how_far_it_is():
    steps = [(2, 1), (2, 2), (3, 1), (3, 2)]
    words = [f"Stage {k - 1} of 2: {100 if k == 2 else 50} m grid, step {step} of 2" for k, step in steps]
    seen = []

    def do(on_step):
        for (k, step), said in zip(steps, words, strict=True):
            on_step(k, step, 2)
            until(lambda said=said: running.words == said)
            seen.append(running.share)
        return "done"

    ready = threading.Event()
    running = job.Job(lambda on_step: ready.wait(PATIENCE) and do(on_step), first=2)
    ready.set()
    assert running.result() == "done" and running.look()
    assert seen == pytest.approx([0.1, 0.2, 0.6, 1.0], abs=1e-9)
