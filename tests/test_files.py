import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoomdiff.errors import OptionError
from zoomdiff.files import target, whole_file, whole_set


def test_a_file_appears_whole_and_in_a_new_folder(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with whole_file(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole" and [p.name for p in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("failure", [ValueError("a bug"), KeyboardInterrupt()])
def test_what_was_there_stays_where_writing_fails(failure, tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("before")
    with pytest.raises(type(failure)), whole_file(path) as part:
        part.write_text("half")
        raise failure
    assert path.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_where_nothing_can_be_written_one_sentence_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OptionError, match=r"^The table cannot be written to .*x\.csv: "),
        whole_file(tmp_path / "file" / "x.csv", "The table"),
    ):
        pytest.fail("there is no folder")


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("/proc/x/y", "No such file or directory in /proc"),
        ("/sys/x", r"(Operation not permitted|Permission denied|Read-only file system) in /sys"),
        ("file/x/y", "file is a file and not a folder"),
        ("loop", "loop is a link that leads to itself"),
        ("loop/x", "loop is a link that leads to itself"),
        ("n" * 300, "File name too long"),
        ("new/" + "n" * 300 + "/x", "File name too long"),
        ("pipe", r"a pipe or a device|a file and not a folder"),
        ("a\0b", "null"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="its folders and words")
def test_a_place_that_cannot_be_written_to_is_known_before_the_run(place, words, is_folder, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(
        OptionError, match=rf"^The week cannot be written to .*: .*({words}).*; choose another place\.$"
    ):
        target(tmp_path / place, "The week", is_folder=is_folder)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_place_that_can_be_written_to_is_left_as_it_was(is_folder, tmp_path):
    (tmp_path / "link").symlink_to("elsewhere/out")
    for place in ("new", "new/deep/out", "n" * 230, "link"):
        assert target(tmp_path / place, "The week", is_folder=is_folder) == tmp_path / place
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
    if is_folder:
        with whole_set(tmp_path / "link") as new:
            (new / "a").touch()
        assert (tmp_path / "elsewhere" / "out" / "a").exists() and (tmp_path / "link").is_symlink()


WRITER = """
import sys
from pathlib import Path
from zoomdiff.files import whole_set
folder, name = Path(sys.argv[1]), sys.argv[2]
for number in range(int(sys.argv[3])):
    with whole_set(folder) as new:
        for file in "abcdefgh":
            (new / file).write_text(f"{name} {number}")
    print(number, flush=True)
"""


def contents(folder: Path) -> set[str]:
    return {(folder / file).read_text() for file in "abcdefgh"}


def start(folder: Path, name: str, number: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, folder, name, str(number)], stdout=subprocess.PIPE, text=True
    )


def test_a_set_appears_at_one_moment_and_what_else_is_there_stays(tmp_path):
    folder = tmp_path / "out"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "notes.txt").write_text("notes")
    (folder / "a").write_text("old")
    (folder / "link").symlink_to("mine")
    with whole_set(folder) as new:
        (new / "a").write_text("new")
        (new / "b").write_text("new")
        assert (folder / "a").read_text() == "old" and not (folder / "b").exists()
    assert {path.name for path in folder.iterdir()} == {"mine", "a", "b", "link"}
    assert (folder / "a").read_text() == "new" and (folder / "link" / "notes.txt").read_text() == "notes"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_in_the_way_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "out" / "b").mkdir(parents=True)
    with (
        pytest.raises(OptionError, match=r"cannot be written to .*b: a folder has that name"),
        whole_set(tmp_path / "out") as new,
    ):
        for file in "abc":
            (new / file).write_text("new")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b"] and len(list(tmp_path.iterdir())) == 1


def test_the_working_directory_keeps_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    with whole_set(".") as new:
        (new / "a").write_text("new")
    assert tmp_path.stat().st_ino == before and [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_set_within_a_set(tmp_path):
    with whole_set(tmp_path / "out") as new, whole_set(new) as newer, whole_file(newer / "a") as part:
        part.write_text("a")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_two_writers_never_mix_their_files(tmp_path):
    folder = tmp_path / "out"
    writers = [start(folder, name, 50) for name in ("one", "two")]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        opened = {path.read_text() for path in [folder / "a"] if path.exists()}
        seen |= opened
        time.sleep(0.001)  # the writers need the processors
    assert [writer.wait() for writer in writers] == [0, 0]
    assert contents(folder) in ({"one 49"}, {"two 49"})
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert {text.split()[0] for text in seen} <= {"one", "two"}


def test_a_process_that_is_killed_leaves_one_whole_set_and_the_next_one_cleans_up(tmp_path):
    folder = tmp_path / "out"
    for trial in range(10):
        writer = start(folder, f"trial {trial}", 100_000)
        writer.stdout.readline()  # it has written a set
        time.sleep(0.003 * trial)  # somewhere within one of the next
        writer.kill()
        writer.wait()
        assert len(contents(folder)) == 1
    assert start(folder, "last", 1).wait() == 0
    assert contents(folder) == {"last 0"} and [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_trial_left_is_removed_by_the_next(tmp_path):
    killed = "import os, zoomdiff.files as f; trial = f._private(f.Path('.'), f.TRIAL)\n"
    killed += "trial.__enter__(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", killed], cwd=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    target(tmp_path / "out", "The results", is_folder=True)
    assert not list(tmp_path.iterdir())
