"""Reading in a child process: its limits, and what the caller sees where it dies."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from zoomdiff import isolation, limits
from zoomdiff.errors import MapError, OptionError
from zoomdiff.isolation import isolated


def first_line(path: Path) -> str:
    return Path(path).read_text().splitlines()[0]


@isolated(MapError)
def read(path: Path, what: str = "read", other: Path | None = None):
    match what:
        case "read":
            return first_line(path), os.getpid()
        case "crash":
            ctypes.string_at(0)
        case "memory":
            return len(np.zeros(10_000_000_000, np.uint8))  # asked for, but not touched
        case "time":
            while True:
                pass
        case "wait":
            time.sleep(600)
        case "ours":
            raise OptionError("This is wrong: change it.")
        case "other":
            raise ZeroDivisionError
        case "open":
            return first_line(other)
        case "write":
            return path.with_name("written").write_text("text")


@isolated(MapError, also="other")
def read_both(path: Path, *, other: Path) -> tuple[str, str]:
    return first_line(path), first_line(other)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "map.fgb"
    path.write_text("one\ntwo")
    return path


def test_the_result_comes_from_another_process(path):
    text, pid = read(path)
    assert text == "one" and pid != os.getpid() and read(path)[1] != pid
    assert read.here(path) == ("one", os.getpid())


@pytest.mark.parametrize(
    "what, sentence",
    [
        ("crash", "map.fgb cannot be read: it crashes its reader, so it is damaged: export or download it again."),
        ("memory", r"map.fgb needs more than 1.5 GB of memory to read: cut out .* or set ZOOMDIFF_READ_GB to more."),
        ("time", "map.fgb takes longer than 0 s: cut out your region, or simplify its shapes."),
        ("other", "map.fgb cannot be read: it is damaged or of another kind: export or download it again."),
        ("write", "map.fgb cannot be read: it is damaged or of another kind: export or download it again."),
    ],
)
def test_a_child_that_fails_is_one_sentence_and_the_next_one_works(path, what, sentence, monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 0.1 if what == "time" else limits.SECONDS)
    with pytest.raises(MapError, match=f"^{sentence}$"):
        read(path, what)
    assert read(path)[0] == "one"
    assert (path.parent / "written").exists() is False or not (path.parent / "written").stat().st_size


def test_errors_of_ours_come_as_they_are_and_others_keep_their_traceback(path):
    with pytest.raises(OptionError, match=r"^This is wrong: change it\.$"):
        read(path, "ours")
    with pytest.raises(MapError) as caught:
        read(path, "other")
    assert "ZeroDivisionError" in str(caught.value.__cause__) and "test_isolation.py" in str(caught.value.__cause__)


def test_the_limit_of_memory_can_be_set_and_is_checked(path, monkeypatch):
    monkeypatch.setenv("ZOOMDIFF_READ_GB", "20")
    assert read(path, "memory") == 10_000_000_000
    monkeypatch.setenv("ZOOMDIFF_READ_GB", "much")
    with pytest.raises(OptionError, match="'much' is not a number of gigabytes"):
        read(path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="Landlock is Linux's")
def test_it_opens_nothing_but_its_file(path, tmp_path):
    other = tmp_path / "secret.txt"
    other.write_text("secret")
    for foreign in (other, Path("/etc/passwd")):
        with pytest.raises(MapError, match="cannot be read"):
            read(path, "open", foreign)
    assert read_both(path, other=other) == ("one", "secret")  # given by the caller


def test_an_exception_while_waiting_ends_the_child(path):
    class Cancelled(Exception):
        pass

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        read.watched(cancel, path, "wait")
    server = str(isolation._server()._process.pid)
    end = time.monotonic() + 60
    while subprocess.run(["pgrep", "-P", server], capture_output=True).stdout:  # killed, so it is about to be gone
        assert time.monotonic() < end, "the child goes on"


def test_a_dead_server_is_started_again(path):
    read(path)
    process = isolation._server()._process
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert read(path)[0] == "one"


def test_a_script_needs_no_guard(tmp_path):
    """Multiprocessing would run the script again in each child."""
    script = tmp_path / "script.py"
    text = '{"type": "FeatureCollection", "features": []}'
    (tmp_path / "sites.geojson").write_text(text)
    script.write_text(
        "import zoomdiff as zd\nprint('once')\n"
        "try:\n    zd.read_measurements('sites.geojson')\nexcept zd.errors.DataError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"once\nsites\.geojson is not a GeoJSON FeatureCollection with features.*\n", done.stdout)
