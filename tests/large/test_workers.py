"""Workers of Ray: the same bytes as in one process, also where a worker or all of it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from quick import digest

from zoomdiff.errors import OptionError
from zoomdiff.large import engine
from zoomdiff.large.layout import Window

# A run with two workers of its own; the pieces are small, as in the other tests.
SCRIPT = """
import sys
from zoomdiff.checkpoint import load_model
from zoomdiff.large import layout
from zoomdiff.large.run import Place, generate_large
from zoomdiff.sampling import Sampling
layout.CELLS = 16
def say(*at):
    print(*at, flush=True)
generate_large(load_model(device="cpu"), Place("helsinki"), sys.argv[1], seed=1, sampling=Sampling(steps=1),
               workers=int(sys.argv[2]), on_piece=say,
               on_retry=lambda stage, retried: say("retried", retried, stage))
"""


def started(store: Path, workers: int) -> subprocess.Popen:
    """A process that makes the store and says each piece that is done."""
    return subprocess.Popen([sys.executable, "-c", SCRIPT, store, str(workers)], stdout=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen, line: str) -> None:
    assert any(each.startswith(line) for each in process.stdout), f"the run ended before {line!r}"


def test_killed_workers_and_killed_runs_change_no_byte(undisturbed, tmp_path):
    whole, store = digest(undisturbed), tmp_path / "week.zarr"
    process = started(store, 2)
    wait_for(process, "context 2")
    started_by_it = psutil.Process(process.pid).children(recursive=True)
    workers = [each for each in started_by_it if "ray::Worker" in " ".join(each.cmdline())]
    assert len(workers) == 2
    workers[0].kill()
    wait_for(process, "retried 1")
    wait_for(process, "grid50 1")
    process.send_signal(signal.SIGKILL)  # and with it goes its Ray
    process.wait()
    assert digest(store) != whole
    again = started(store, 1)
    lines = again.stdout.readlines()
    assert again.wait() == 0 and digest(store) == whole
    assert not any(line.startswith(("map", "bs 0")) for line in lines)  # what was done is not done again


def test_a_worker_that_ends_each_time_is_one_sentence(model, monkeypatch, tmp_path):
    class Dying:  # in the function, so that Ray sends it to its processes
        def __init__(self, *at):
            pass

        def set_job(self, job):
            pass

        def do(self, *at):
            os.kill(os.getpid(), signal.SIGKILL)

    retries = []
    monkeypatch.setattr(engine, "Worker", Dying)
    monkeypatch.setattr(engine, "TRIES", 2)
    cluster = engine.Cluster(model, 1, lambda *at: retries.append(at))
    job = SimpleNamespace(store=SimpleNamespace(run=tmp_path))
    with pytest.raises(OptionError, match=r"^The worker ended 2 times at one piece of the pass context; if memory is"):
        list(cluster.do(job, "context", [Window(0, 0, 2, 2)]))
    cluster.close()
    assert retries == [("context", 1)]


def test_without_ray_there_is_one_worker(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        OptionError, match=r"^Several workers need Ray: install it with pip install 'zoomdiff\[scale\]'"
    ):
        run(workers=2)


def test_a_cluster_that_does_not_run_is_one_sentence(run):
    if any(each.info["name"] == "gcs_server" for each in psutil.process_iter(["name"])):
        pytest.skip("a Ray cluster runs on this machine")
    with pytest.raises(OptionError, match=r"^There is no Ray cluster at auto: start it with 'ray start --head'\.$"):
        run(workers="auto")
