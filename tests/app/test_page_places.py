"""Where maps and people come from, in the page: other maps, downloads, residents, population rasters."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from panel_page import TWO_BLOCKS, choose_box, finish, opened, words
from rasterio.transform import from_bounds
from streamlit.testing.v1 import AppTest
from zoomdiff.app import generation, work
from zoomdiff.app.messages import plain

from zoomdiff.context import osm, read_map
from zoomdiff.errors import MapError

pytestmark = pytest.mark.usefixtures("no_component", "untrained")


def generate(page: AppTest) -> AppTest:
    page.button(key="generate").click().run()
    return finish(page, generation.NAME)


def forget_downloads() -> None:
    """The server keeps maps for all sessions."""
    for key in [key for key in work._maps() if key[0] in work.ONLINE]:
        del work._maps()[key]


@pytest.fixture
def page() -> AppTest:
    return opened(steps="3")


@pytest.fixture(scope="module")
def looked_at() -> AppTest:
    """A page shared by tests that each choose a map first."""
    return opened()


@pytest.fixture
def downloads(monkeypatch) -> list:
    """The network, which has Helsinki's centre under every name; the list says which boxes it was asked for."""
    forget_downloads()
    asked, find = [], work.read_map

    def found(source, bbox=None, on_progress=None):
        if source not in work.ONLINE:
            return find(source, bbox=bbox, on_progress=on_progress)
        asked.append((source, bbox))
        on_progress("Downloading the extract", 0.5)
        return read_map("helsinki", bbox=bbox)

    monkeypatch.setattr(work, "read_map", found)
    return asked


def test_the_demo_city_says_that_it_is_fictional(looked_at):
    page = looked_at
    page.selectbox(key="map").set_value("town7").run()
    assert not page.exception and not page.error and not page.button(key="generate").disabled
    assert "fictional" in words(page).lower()
    page.selectbox(key="preset").set_value("Whole map").run()
    assert "in 400 blocks" in words(page)


@pytest.mark.parametrize("source", ["osm", "overture"])
def test_a_map_to_download_waits_for_the_region_and_is_downloaded_once(looked_at, downloads, source):
    page = looked_at
    page.selectbox(key="map").set_value(source).run()
    assert "Choose a region" in words(page) or downloads  # a box is prefilled
    choose_box(page, TWO_BLOCKS)
    assert not page.exception and not page.error
    assert downloads[-1][0] == source and len(downloads[-1][1]) == 4
    before = len(downloads)
    page.number_input(key="seed").set_value(5).run()
    assert len(downloads) == before, "the map of a region is kept"


def test_a_download_that_fails_is_one_sentence_and_the_page_stays(looked_at, monkeypatch):
    page = looked_at
    forget_downloads()

    def offline(source, bbox=None, on_progress=None):
        raise MapError("The map of this region cannot be downloaded, as the network does not answer.")

    page.selectbox(key="map").set_value("osm").run()
    monkeypatch.setattr(work, "read_map", offline)
    choose_box(page, TWO_BLOCKS)
    (error,) = page.error
    assert "network does not answer" in error.value and not page.exception
    monkeypatch.undo()
    page.selectbox(key="map").set_value("helsinki").run()
    assert not page.error and not page.button(key="generate").disabled


def test_a_drawn_region_comes_before_the_map(page, component, downloads):
    page.selectbox(key="map").set_value("osm").run()
    page.radio(key="kind").set_value("Draw").run()
    assert component[-1]["basemap"] is None and component[-1]["tiles"] and component[-1]["drawing"]["of"] == "region"
    assert "Choose a region" in words(page) and not page.exception


def test_large_files_are_read_for_the_region(tmp_path, monkeypatch, region):
    path = tmp_path / "country.geojson"
    street = gpd.GeoDataFrame({"highway": ["residential"]}, geometry=[region.polygon.boundary], crs=4326)
    street.to_file(path)
    assert not work.by_region(str(path)) and not work.by_region("helsinki") and work.by_region("osm")
    monkeypatch.setattr(work, "WHOLE_MB", 0.0)
    assert work.by_region(str(path))
    with pytest.raises(MapError, match="choose the region first"):
        work.map_of(str(path))
    assert work.map_of(str(path), region).extent == pytest.approx(region.bounds, abs=1e-3)


def test_residents_and_a_raster_change_who_is_there(page):
    generate(choose_box(page, TWO_BLOCKS))
    page.number_input(key="residents").set_value(1000).run()
    assert not page.exception and "Press **Generate**" in words(page), "another context is another week"
    page.file_uploader(key="population").set_value(("people.tif", raster(), "image/tiff")).run()
    assert not page.exception and not page.error
    assert "GeoTIFF" in words(page) or ".tif" in words(page), "the source of the people is named"
    page.file_uploader(key="population").set_value(("people.tif", b"no tiff", "image/tiff")).run()
    assert len(page.error) == 1 and not page.exception


def raster() -> bytes:
    west, south, east, north = 24.93, 60.16, 24.96, 60.18
    people = np.full((1, 20, 30), 7.0, np.float32)
    with rasterio.MemoryFile() as file:
        about = {"driver": "GTiff", "width": 30, "height": 20, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
        with file.open(**about, transform=from_bounds(west, south, east, north, 30, 20)) as target:
            target.write(people)
        return file.read()


def test_a_link_brings_its_map_but_never_a_download(downloads):
    assert opened(map="town7").selectbox(key="map").value == "town7"
    assert opened(map="osm", bbox=TWO_BLOCKS).selectbox(key="map").value == "helsinki" and not downloads


def test_recent_regions_of_a_map_are_offered_again(page):
    assert page.selectbox(key="preset").options == ["Helsinki centre", "Whole map"]
    generate(choose_box(page, TWO_BLOCKS))
    page.radio(key="kind").set_value("Preset").run()
    (recent,) = page.selectbox(key="preset").options[2:]
    assert recent.startswith("Recent: 0.16 km²") or recent.startswith("Recent: 0.32 km²")
    assert "in the week" not in words(page)
    page.selectbox(key="preset").set_value(recent).run()
    assert "in the week" in words(page) and not page.exception, "the same region, so the same week"
    page.selectbox(key="map").set_value("town7").run()
    assert not page.exception and not page.error and len(page.selectbox(key="preset").options) == 2


def test_a_downloaded_map_has_its_recent_regions_only(page, downloads):
    page.selectbox(key="map").set_value("osm").run()
    assert "Preset" not in page.radio(key="kind").options
    generate(choose_box(page, TWO_BLOCKS))
    page.radio(key="kind").set_value("Preset").run()
    assert len(page.selectbox(key="preset").options) == 1 and not page.exception
    assert "in the week" in words(page)


def test_strangers_upload_their_maps(monkeypatch):
    """No path that could say what is on the server's disk, and nothing that makes it download."""
    monkeypatch.setenv("ZOOMDIFF_PUBLIC", "1")
    page = opened()
    assert page.selectbox(key="map").options == [
        "Helsinki centre (embedded)",
        "Demo city, 8 x 8 km (fictional)",
        "Own map",
    ]
    page.selectbox(key="map").set_value("upload").run()
    assert "path" not in [field.key for field in page.text_input] and "Upload a map" in words(page)
    extract = osm.helsinki()
    page.file_uploader(key="map_file").set_value((extract.name, extract.read_bytes(), "application/octet-stream")).run()
    choose_box(page, TWO_BLOCKS)
    assert not page.exception and not page.error and not page.button(key="generate").disabled
    choose_box(page, "24.9,60.1,25.1,60.2")
    (error,) = page.error
    assert error.value.endswith(plain("the limit is 25 km2: draw a smaller one."))
