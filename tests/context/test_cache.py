"""The cache: whole entries or none, checked, bounded."""

import os
import time

import pytest

from zoomdiff.context import cache
from zoomdiff.errors import MapError

BOX = (24.93, 60.16, 24.96, 60.18)


def fill(part, text="map") -> dict:
    (part / "map.txt").write_text(text)
    return {"date": "2026-01-21"}


def test_what_is_added_is_found_by_every_box_in_it(cache_folder):
    assert cache.find("osm", BOX) is None
    entry = cache.add("osm", BOX, fill)
    assert cache.find("osm", BOX) == cache.find("osm", (24.94, 60.165, 24.95, 60.17)) == entry
    assert cache.find("osm", (24.94, 60.165, 24.97, 60.17)) is None and cache.find("overture", BOX) is None
    assert (entry / "map.txt").read_text() == "map" and cache.about(entry) == {"date": "2026-01-21"}
    assert [path.name for path in (cache_folder / "osm").iterdir()] == [entry.name]


def test_the_smallest_box_is_taken(cache_folder):
    cache.add("osm", (24, 60, 25, 61), fill)
    small = cache.add("osm", BOX, fill)
    assert cache.find("osm", (24.94, 60.165, 24.95, 60.17)) == small


@pytest.mark.parametrize("failure", [MapError("no"), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_download_that_fails_leaves_nothing(cache_folder, failure):
    def write(part):
        fill(part)
        raise failure

    shown = KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else MapError
    with pytest.raises(shown, match=r"^$|no|cannot be written \(No space left on device\): free some space"):
        cache.add("osm", BOX, write)
    assert not list((cache_folder / "osm").iterdir()) and cache.find("osm", BOX) is None


def test_a_cache_that_is_no_folder_gets_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("ZOOMDIFF_CACHE", str(tmp_path / "file"))
    assert cache.find("osm", BOX) is None
    with pytest.raises(MapError, match=r"^The cache \S+ cannot be written \(Not a directory\): free .* folder\.$"):
        cache.add("osm", BOX, fill)


def test_a_cache_whose_name_libraries_do_not_take_gets_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOOMDIFF_CACHE", str(tmp_path / "\udcff"))
    with pytest.raises(MapError, match=r"^The cache \S+/\\xff has a name that is not UTF-8: set .* another folder\.$"):
        cache.add("osm", BOX, fill)


def test_a_cache_that_is_only_read_still_serves(cache_folder, monkeypatch):
    entry = cache.add("osm", BOX, fill)

    def read_only(path):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.utime", read_only)
    assert cache.find("osm", BOX) == entry


@pytest.mark.parametrize("damage", ["shorter", "other", "gone", "entry"])
def test_a_damaged_entry_is_removed(cache_folder, damage):
    entry = cache.add("osm", BOX, fill)
    file = entry / "map.txt"
    if damage == "gone":
        file.unlink()
    elif damage == "entry":
        (entry / "entry.json").write_text('{"files"')
    else:
        file.write_text("ma" if damage == "shorter" else "mad")
    assert cache.find("osm", BOX) is None and not entry.exists()


def test_two_that_download_the_same(cache_folder):
    def slow(part):
        first = cache.add("osm", BOX, fill)  # another process is done meanwhile
        assert first.exists()
        return fill(part, "later")

    entry = cache.add("osm", BOX, slow)
    assert (entry / "map.txt").read_text() == "map" and len(list((cache_folder / "osm").iterdir())) == 1


def test_the_cache_is_bounded(cache_folder, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 4000)
    entries = []
    for i in range(3):
        box = (i, 0.0, i + 1.0, 1.0)
        entries.append(cache.add("osm", box, lambda part: fill(part, "x" * 1000)))
        os.utime(entries[-1], (1000 + i, 1000 + i))
    assert cache.find("osm", (0.2, 0.2, 0.4, 0.4)) == entries[0]  # used last, so it stays
    (cache_folder / "extracts").mkdir()
    extract = cache_folder / "extracts" / "old.osm.pbf"
    extract.write_bytes(b"x" * 1000)
    os.utime(extract, (1, 1))
    newest = cache.add("osm", (7.0, 0.0, 8.0, 1.0), lambda part: fill(part, "x" * 1000))
    assert [entry.exists() for entry in entries] == [True, False, True] and newest.exists() and not extract.exists()


def test_what_died_half_way_is_removed_after_a_day(cache_folder):
    for name, age in [(".part-old", 2 * 86400), (".part-new", 60)]:
        (cache_folder / "osm" / name).mkdir(parents=True)
        os.utime(cache_folder / "osm" / name, (time.time() - age,) * 2)
    cache.trim()
    assert [path.name for path in (cache_folder / "osm").iterdir()] == [".part-new"]


def test_boxes_are_rounded_outwards():
    assert cache.rounded((24.9362, 60.1660, 24.9520, 60.1780), 0.01) == (24.92, 60.15, 24.97, 60.19)
    assert cache.rounded((-0.001, -0.001, 0.001, 0.001), 0.0) == (-0.01, -0.01, 0.01, 0.01)
    assert cache.rounded((-180.0, -90.0, 180.0, 90.0), 0.01) == (-180.0, -90.0, 180.0, 90.0)


def test_the_place_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("ZOOMDIFF_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.root() == tmp_path / "zoomdiff"
    monkeypatch.setenv("ZOOMDIFF_CACHE", "~/maps")
    assert cache.root().name == "maps" and "~" not in str(cache.root())


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ZOOMDIFF_CACHE", str(tmp_path / "file"))
    with pytest.raises(MapError, match=r"The cache .*file cannot be written.*set ZOOMDIFF_CACHE"):
        cache.add("osm", BOX, fill)


def test_what_another_process_has_not_finished_is_not_looked_at(cache_folder):
    part = cache.root() / "osm" / ".part-x1y2"
    part.mkdir(parents=True)
    (part / cache.ENTRY).write_text("{}")
    assert cache.find("osm", BOX) is None
    assert cache.find("osm", BOX) is None and part.exists()
