"""The page of a finished store, driven without a browser."""

import base64
import io
import json
import shutil
import threading
import zipfile
from pathlib import Path

import pytest
import streamlit as st
from panel_page import PATIENCE, finish, opened, run_of, words
from streamlit.testing.v1 import AppTest
from zoomdiff.app import maps, sidebar, stored

from zoomdiff.large.read import StoredWeek, open_store
from zoomdiff.week import human_bytes

INNER = "24.9400,60.1680,24.9430,60.1700"
RING = [[24.94, 60.168], [24.943, 60.168], [24.943, 60.17], [24.94, 60.17], [24.94, 60.168]]

pytestmark = pytest.mark.usefixtures("no_component", "untrained")


@pytest.fixture(autouse=True)
def read_anew() -> None:
    """A test may change what is read."""
    st.cache_resource.clear()


@pytest.fixture
def copy(small_store, tmp_path) -> Path:
    """A store that a test may damage."""
    return shutil.copytree(small_store, tmp_path / "copy.zarr")


@pytest.fixture
def stores(monkeypatch, tmp_path, small_store) -> Path:
    """The folder of a server for strangers that offers stores."""
    folder = tmp_path / "offered"
    shutil.copytree(small_store, folder / "b.zarr")
    monkeypatch.setenv("ZOOMDIFF_STORES", str(folder))
    monkeypatch.setenv("ZOOMDIFF_PUBLIC", "1")
    return folder


def choose_store(page: AppTest, path: object) -> AppTest:
    if page.selectbox(key="map").value != sidebar.STORE:
        page.selectbox(key="map").set_value(sidebar.STORE).run()
    return page.text_input(key="store_path").set_value(str(path)).run()


def choose_part(page: AppTest, box: str) -> AppTest:
    page.radio(key="store_part").set_value("Box").run()
    return page.text_input(key="store_bbox").set_value(box).run()


def totals(page: AppTest) -> str:
    (text,) = (each.value for each in page.markdown if "in the week" in each.value)
    return text


def part(store: Path) -> StoredWeek:
    return open_store(store).within(tuple(map(float, INNER.split(","))))


def test_a_store_is_shown_with_what_made_it(small_store):
    page = choose_store(opened(), small_store)
    store = open_store(small_store)
    assert not page.exception and not page.error
    assert human_bytes(store.about["total_bytes"]) in totals(page) and "50 m" in totals(page)
    assert "week.zarr, at all its levels" in words(page)
    assert "with seed 1" in words(page) and "OpenStreetMap" in words(page) and "simulat" in words(page)


def test_the_address_neither_names_nor_opens_a_store(small_store):
    page = opened(map="store", store=str(small_store), store_path=str(small_store))
    assert page.selectbox(key="map").value == sidebar.EMBEDDED
    choose_store(page, small_store)
    assert not page.query_params


def test_a_part_shows_finer_levels_than_the_whole_and_nothing_else_is_read(copy, monkeypatch):
    store = open_store(copy)
    monkeypatch.setattr(stored, "MOST_VALUES", store.cells(1) * 42)
    for level in ("grid100", "grid50"):
        shutil.rmtree(copy / level / "traffic" / "c")
    page = choose_store(opened(), copy)
    assert not page.exception and not page.error
    assert "down to **4 h · cell**: a smaller part shows finer levels" in words(page)
    assert human_bytes(store.about["total_bytes"]) in totals(page) and "cells of 200 m" in totals(page)


def test_cells_of_a_country_are_shown_but_not_sent_one_by_one(small_store, monkeypatch):
    monkeypatch.setattr(maps, "PICKABLE", 10)
    page = choose_store(opened(), small_store)
    (deck,) = (json.loads(each.proto.json) for each in page.get("deck_gl_json_chart"))
    sizes = {layer["id"]: len(layer.get("data", [])) for layer in deck["layers"]}
    assert "traffic" in sizes and sizes["blocks"] == 0 and not page.exception
    (cells,) = (layer["data"] for layer in deck["layers"] if layer["id"] == "cells-0")
    assert base64.b64decode(cells.partition(",")[2]) == b"[]"


def test_a_box_and_the_way_back(small_store):
    page = choose_part(choose_store(opened(), small_store), INNER)
    assert human_bytes(part(small_store).window("bs").total()) in totals(page) and not page.error
    page.radio(key="store_part").set_value("Whole").run()
    assert human_bytes(open_store(small_store).about["total_bytes"]) in totals(page)


@pytest.mark.parametrize(
    ("box", "sentence"), [("1,2,3", "not four numbers"), ("10,50,11,51", "has nothing of the region")]
)
def test_a_bad_box_is_one_sentence_and_the_whole_stays(small_store, box, sentence):
    page = choose_part(choose_store(opened(), small_store), box)
    (error,) = page.error
    assert sentence in error.value and not page.exception
    assert human_bytes(open_store(small_store).about["total_bytes"]) in totals(page)


def test_what_is_no_finished_store_is_one_sentence(copy, tmp_path):
    page = choose_store(opened(), "")
    assert "Give the path of a store" in words(page) and not page.error
    choose_store(page, tmp_path / "nothing.zarr")
    assert "There is no store" in page.error[0].value and len(page.error) == 1 and not page.exception
    for damage, sentence in (("complete", "is not complete"), ("region", "is damaged")):
        file = copy / "zarr.json"
        text = json.loads(file.read_text())
        del text["attributes"][damage]
        broken = tmp_path / f"{damage}.zarr"
        shutil.copytree(copy, broken)
        (broken / "zarr.json").write_text(json.dumps(text))
        choose_store(page, broken)
        (error,) = page.error
        assert sentence in error.value and not page.exception


def test_a_damaged_chunk_is_one_sentence(copy):
    for file in (copy / "cell" / "traffic" / "c").rglob("*"):
        if file.is_file():
            file.write_bytes(b"not zstd")
    (error,) = choose_store(opened(), copy).error
    assert "is damaged" in error.value


def test_the_settings_of_a_map_are_kept_for_the_way_back(small_store):
    page = opened(bbox=INNER, seed="7", map="town7")
    choose_store(page, small_store)
    page.selectbox(key="map").set_value(sidebar.EMBEDDED).run()
    assert page.number_input(key="seed").value == 7 and page.radio(key="kind").value == "Box"
    assert page.text_input(key="bbox").value == INNER
    assert not page.error and not page.exception and not page.button(key="generate").disabled


def test_the_map_component_gets_the_part_and_the_tool(small_store, component):
    page = choose_store(opened(), small_store)
    data = component[-1]
    assert [level["hours"] for level in data["levels"]] == [24, 4, 2, 1] and data["drawing"] is None
    assert data["view"]["level"] == 3 and data["basemap"]["url"].startswith("data:image/webp") and not data["tiles"]
    assert "OpenStreetMap" in data["credit"]
    page.radio(key="store_part").set_value("Draw").run()
    assert component[-1]["drawing"]["of"] == "part" and component[-1]["frame"] == data["frame"]
    page.session_state["store_drawn"] = {"type": "Polygon", "coordinates": [RING]}
    page.run()
    assert human_bytes(part(small_store).window("bs").total()) in totals(page)
    assert component[-1]["frame"] != data["frame"] and component[-1]["drawing"]["polygon"]
    page.session_state["store_drawn"] = {"type": "Polygon", "coordinates": "?"}
    page.run()
    assert "not valid GeoJSON" in page.error[0].value and component[-1]["frame"] == data["frame"]


def test_another_store_is_shown_whole(small_store, copy):
    page = choose_part(choose_store(opened(), small_store), INNER)
    choose_store(page, copy)
    assert page.radio(key="store_part").value == "Whole" and "copy.zarr" in words(page) and not page.exception


def test_a_part_is_exported(small_store):
    page = choose_part(choose_store(opened(), small_store), INNER)
    page.selectbox(key="store_level_3").set_value(1).run()
    page.multiselect(key="store_kinds").set_value(["cog", "parquet"]).run()
    page.button(key="store_run").click().run()
    finish(page, stored.NAME)
    files = page.session_state.store_files
    with zipfile.ZipFile(io.BytesIO(files.path.read_bytes())) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert "cell.tif" in names and any(name.startswith("cell.parquet/part-") for name in names)
    assert files.path.name == "zoomdiff-week-cell.zip"
    assert "zoomdiff-week-cell.zip" in page.get("download_button")[0].proto.label
    page.selectbox(key="store_level_3").set_value(0).run()
    assert not page.get("download_button"), "of another level"


def test_too_many_cells_are_not_exported(small_store, monkeypatch):
    monkeypatch.setattr(stored, "MOST_CELLS", 100)
    page = choose_store(opened(), small_store)
    page.button(key="store_run").click().run()
    (error,) = page.error
    assert "and 100 are exported here" in error.value and run_of(page, stored.NAME) is None


def test_a_cancelled_export_leaves_nothing(small_store, monkeypatch):
    folders, begun, cancelled = [], threading.Event(), threading.Event()

    def save(self, folder, *arguments, on_piece, **options):
        folders.append(folder.parent)
        begun.set()
        cancelled.wait(PATIENCE)
        on_piece("cell.tif", 1, 2)

    page = choose_store(opened(), small_store)
    monkeypatch.setattr(StoredWeek, "save", save)
    page.button(key="store_run").click().run()
    assert begun.wait(PATIENCE)
    run_of(page, stored.NAME).cancel()
    cancelled.set()
    finish(page, stored.NAME)
    assert "store_files" not in page.session_state and not folders[0].exists()


def test_strangers_choose_among_the_stores_of_the_server(stores, small_store, tmp_path):
    (stores / "a.zarr").symlink_to(small_store)
    shutil.copytree(stores / "b.zarr", stores / "c.zarr")
    (stores / "c.zarr" / "zarr.json").write_text("{}")
    (stores / "d.zarr").symlink_to("b.zarr")
    page = opened()
    page.selectbox(key="map").set_value(sidebar.STORE).run()
    assert page.selectbox(key="store_name").options == ["b.zarr", "c.zarr", "d.zarr"]
    assert not [field for field in page.text_input if field.key == "store_path"]
    assert human_bytes(open_store(small_store).about["total_bytes"]) in totals(page)
    page.selectbox(key="store_name").set_value("c.zarr").run()
    (error,) = page.error
    assert "c.zarr" in error.value and str(tmp_path) not in error.value and not page.exception


def test_strangers_have_no_stores_where_none_are_offered(stores, monkeypatch):
    monkeypatch.setenv("ZOOMDIFF_STORES", str(stores / "missing"))
    page = opened()
    page.selectbox(key="map").set_value(sidebar.STORE).run()
    assert "There is no store on this server yet" in words(page) and not page.error and not page.exception
    monkeypatch.delenv("ZOOMDIFF_STORES")
    assert len(opened().selectbox(key="map").options) == 3
