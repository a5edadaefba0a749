"""What a server allows: by default much, to strangers little."""

import math
from pathlib import Path

import pytest
from zoomdiff.app import limits, runs, store, work
from zoomdiff.app.limits import Limits
from zoomdiff.app.runs import Job

from zoomdiff.context import cache
from zoomdiff.errors import OptionError


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in (limits.PUBLIC, limits.MAX_KM2, limits.MAX_WORK):
        monkeypatch.delenv(name, raising=False)


def test_strangers_may_ask_for_less(monkeypatch):
    assert Limits.of_server() == Limits(limits.LOCAL_KM2, math.inf) and not limits.public()
    monkeypatch.setenv(limits.PUBLIC, "1")
    assert Limits.of_server() == Limits(limits.PUBLIC_KM2, limits.PUBLIC_WORK) and limits.public()
    monkeypatch.setenv(limits.MAX_KM2, "4")
    monkeypatch.setenv(limits.MAX_WORK, "70.5")
    assert Limits.of_server() == Limits(4, 70.5)


def test_the_page_on_deployment_has_these_limits(region):
    text = " ".join((Path(__file__).parents[2] / "docs" / "deploy.md").read_text().split())
    fast, full = (work.cost(region, steps) / region.km2 for steps in ("fast", "full"))
    assert f"Fast steps count {fast:.0f} per km², full ones {full:.0f}" in text
    assert f"regions up to {limits.PUBLIC_KM2:.0f} km², runs up to {limits.PUBLIC_WORK:.0f} km² x steps" in text
    assert f"without `--public` {limits.LOCAL_KM2:.0f} km²" in text
    assert (
        f"{store.AGE / 86400:.0f} days after its last use" in text and f"up to {cache.LIMIT / 1024**3:.0f} GB" in text
    )


@pytest.mark.parametrize("name", [limits.MAX_KM2, limits.MAX_WORK])
@pytest.mark.parametrize("text", ["much", "0", "-3", "nan"])
def test_a_limit_that_is_no_number_is_one_sentence(monkeypatch, name, text):
    monkeypatch.setenv(name, text)
    with pytest.raises(OptionError, match=f"{name} must be a number of km2.* above 0, not '{text}'"):
        Limits.of_server()


def test_the_memory_of_a_container_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "CONTAINER", tmp_path)
    whole = limits.memory_left()
    assert whole > 0
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert limits.memory_left() == pytest.approx(whole, rel=0.2)
    (tmp_path / "memory.max").write_text("1000\n")
    assert limits.memory_left() == 100


def test_a_run_that_is_too_much_work_does_not_begin(monkeypatch):
    state, did = {}, []
    monkeypatch.setattr(runs.st, "session_state", state)
    monkeypatch.setenv(limits.MAX_WORK, "100")
    runs.start("generate", lambda: Job(did.append, 101))
    assert runs.find("generate") is None and not did
    assert runs.problem("generate") == (
        "This takes 101 km2 x steps of the finest level, and this server allows 100 in a run: choose a smaller region, "
        "fewer steps or fewer weeks."
    )
    runs.start("generate", lambda: Job(lambda run: "done", 100))
    assert runs.find("generate").result(60) == "done"
