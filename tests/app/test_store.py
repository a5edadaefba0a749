"""Weeks on disk: a link brings a week again, in another session and after a restart."""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import shapely
from panel_page import TWO_BLOCKS, choose_box, finish, opened
from shapely.geometry import Polygon
from zoomdiff.app import generation, store, work
from zoomdiff.app.work import People, Request

from zoomdiff.context import cache, osm
from zoomdiff.levels import S4T4
from zoomdiff.outline import parse_bbox
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

TRIANGLE = Polygon([(24.9390, 60.1660), (24.9510, 60.1662), (24.9440, 60.1740)])


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOOMDIFF_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def week() -> TrafficWeek:
    region = Region.from_polygon(TRIANGLE)
    volumes = np.random.default_rng(0).integers(0, 10**9, (168, *region.shape)) * region.mask()
    return TrafficWeek(region, tuple(S4T4.pyramid(volumes.astype(float))), {"training": "on dice", "seed": 3})


def asked(week: TrafficWeek, source: str = "helsinki", people: People = work.ESTIMATED) -> Request:
    return Request(source, work.region_key(week.region), "fast", 3, "china", people)


def test_a_week_comes_back_as_it_was(week):
    request = asked(week, people=People(residents=1234.5))
    token = store.keep(request, week)
    assert store.find(token) == store.Kept(request, week)


@pytest.mark.parametrize("token", [None, "", "..", "../../etc/passwd", "a" * 22, "\x00" * 22, "é" * 22])
def test_a_token_that_was_not_given_brings_nothing(week, token):
    store.keep(asked(week), week)
    assert store.find(token) is None


def test_tokens_cannot_be_guessed(week):
    tokens = {store.keep(asked(week), week) for _ in range(3)}
    assert len(tokens) == 3 and all(len(token) == 22 for token in tokens)


def test_uploaded_files_are_kept_with_it(week, tmp_path, monkeypatch):
    folder = tmp_path / f"{work.UPLOADS}1"
    folder.mkdir()
    for name in ("town.pbf", "people.tif"):
        (folder / name).write_text(name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    token = store.keep(asked(week, str(folder / "town.pbf"), People(str(folder / "people.tif"))), week)
    (folder / "town.pbf").unlink()
    request = store.find(token).request
    files = Path(request.source), Path(request.people.raster)
    assert [file.read_text() for file in files] == ["town.pbf", "people.tif"]
    again = store.keep(request, week)
    assert store.find(again).request.source != request.source, "a week made from it has its own copy"


def test_maps_of_this_computer_stay_where_they_are(week, tmp_path):
    (tmp_path / "town.pbf").write_text("a map")
    token = store.keep(asked(week, str(tmp_path / "town.pbf")), week)
    assert store.find(token).request.source == str(tmp_path / "town.pbf")
    assert sorted(path.name for path in (cache.root() / "weeks" / token).iterdir()) == ["entry.json", "week.npz"]


def test_what_is_damaged_or_old_is_gone(week):
    damaged, old, good = (store.keep(asked(week), week) for _ in range(3))
    folder = cache.root() / "weeks"
    (folder / damaged / "week.npz").write_bytes(b"half a week")
    then = time.time() - store.AGE - 60
    os.utime(folder / old, (then, then))
    assert store.find(damaged) is None and store.find(old) is None and not (folder / old).exists()
    assert store.find(good) is not None


def test_a_disk_that_takes_nothing_costs_only_the_link(week, monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ZOOMDIFF_CACHE", str(tmp_path / "file"))
    assert store.keep(asked(week), week) is None and "cannot be written" in caplog.text


@pytest.mark.usefixtures("no_component", "untrained")
class TestPage:
    """In the page."""

    def made(self, page):
        page.button(key="generate").click().run()
        return finish(page, generation.NAME)

    def week_of(self, page) -> TrafficWeek:
        (week,) = page.session_state.results.values()
        return week

    def test_a_polygon_comes_back_by_its_link(self):
        page = opened()
        page.radio(key="kind").set_value("GeoJSON").run()
        upload = ("region.geojson", shapely.to_geojson(TRIANGLE).encode(), "application/json")
        page.file_uploader(key="upload").set_value(upload).run()
        self.made(page)
        link = {name: "".join(value) for name, value in page.query_params.items()}
        assert set(link) == {"week", "level", "t"}
        again = opened(**link)
        assert self.week_of(again) == self.week_of(page)
        assert again.number_input(key="seed").value == 0 and not again.error

    def test_people_of_a_link_can_be_left_out(self, week, tmp_path):
        raster = tmp_path / "people.tif"
        raster.write_bytes(b"not read here")
        token = store.keep(asked(week, people=People(str(raster))), week)
        page = opened(week=token)
        (shown,) = page.session_state.results
        assert shown.people.raster == str(raster) and not page.exception
        page.checkbox(key="use_kept_raster").uncheck().run()
        assert not page.exception and not page.error and not page.button(key="generate").disabled

    def test_a_week_that_the_memory_dropped_comes_from_the_disk(self, monkeypatch):
        monkeypatch.setattr(work, "memory_left", lambda: 0)
        page = self.made(choose_box(opened(), TWO_BLOCKS))
        first = self.week_of(page)
        page.number_input(key="seed").set_value(8).run()
        self.made(page)
        assert self.week_of(page) != first, "only the newest is in memory"
        page.number_input(key="seed").set_value(0).run()
        assert self.week_of(page) == first and not page.exception

    def test_an_uploaded_map_comes_back_with_its_week(self, monkeypatch):
        monkeypatch.setenv("ZOOMDIFF_PUBLIC", "1")
        page = opened()
        page.selectbox(key="map").set_value("upload").run()
        file = osm.helsinki()
        page.file_uploader(key="map_file").set_value((file.name, file.read_bytes(), "application/octet-stream")).run()
        self.made(choose_box(page, TWO_BLOCKS))
        token = "".join(page.query_params["week"])
        page.session_state.uploads.cleanup()  # the first session is over
        again = opened(week=token)
        assert self.week_of(again) == self.week_of(page) and not again.error
        assert again.selectbox(key="map").value == "upload"
        assert self.week_of(again).region.polygon.equals(Region.from_bbox(parse_bbox(TWO_BLOCKS)).polygon)
