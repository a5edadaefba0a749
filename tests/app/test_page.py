"""The page, driven without a browser: what the widgets do and what the page says."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from zoomdiff.app import work, zoommap

from zoomdiff.errors import CheckpointError
from zoomdiff.generate import FAST
from zoomdiff.levels import S4T4

PAGE = Path(__file__).parents[2] / "app" / "main.py"
TWO_BLOCKS = "24.9390,60.1660,24.9440,60.1680"
STEPS = "1 day · base station", "4 h · cell", "2 h · 100 m grid", "1 h · 50 m grid"


@pytest.fixture(autouse=True)
def no_component(monkeypatch, tmp_path) -> None:
    """No map component, whether or not it was built: see `component`."""
    monkeypatch.setattr(zoommap, "BUNDLE", tmp_path / "zoommap.js")


@pytest.fixture
def component(monkeypatch) -> list[dict]:
    """A map component that tells nothing; the list keeps what it was sent, newest last."""
    zoommap.BUNDLE.touch()
    sent = []

    def component(function: str):
        return lambda **options: sent.append(options["data"]) if function == "default" else None

    monkeypatch.setattr(zoommap, "_component", component)
    return sent


@pytest.fixture
def page() -> AppTest:
    page = AppTest.from_file(str(PAGE), default_timeout=120).run()
    assert not page.exception
    return page


@pytest.fixture
def untrained(monkeypatch, model) -> list:
    """A small untrained model, so that generating is quick; the list counts how often it was asked for."""
    asked = []
    monkeypatch.setattr(work, "model", lambda: asked.append(1) or model)
    return asked


def choose_box(page: AppTest, text: str) -> AppTest:
    page.radio(key="kind").set_value("Box").run()
    return page.text_input(key="bbox").set_value(text).run()


def generate_small(page: AppTest, seed: int = 0) -> AppTest:
    choose_box(page, TWO_BLOCKS)
    page.selectbox(key="steps").set_value("own").run()
    page.number_input(key="own_steps").set_value(3).run()
    page.number_input(key="seed").set_value(seed).run()
    page.button(key="generate").click().run()
    assert not page.exception and not page.error
    return page


def words(page: AppTest) -> str:
    return " ".join(element.value for element in (*page.markdown, *page.caption, *page.info))


def test_importing_the_page_draws_nothing(monkeypatch):
    monkeypatch.delitem(sys.modules, "zoomdiff.app.main", raising=False)
    monkeypatch.setattr(st, "set_page_config", lambda **_: pytest.fail("the page was drawn"))
    assert callable(importlib.import_module("zoomdiff.app.main").page)


def test_starts_with_the_embedded_map_and_says_what_it_is(page):
    assert "0.96 km²" in words(page) and "6 blocks" in words(page)
    assert "trained on simulated traffic calibrated to open measurements" in words(page)
    assert "© OpenStreetMap contributors" in words(page) and "ODbL" in words(page)
    assert not page.error and not page.button(key="generate").disabled


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "four numbers"),
        ("24.94,60.166,24.95", "four numbers"),
        ("24,94;60,166;24,95;60,17", "four numbers"),
        ("west,south,east,north", "four numbers"),
        ("nan,60.166,24.95,60.17", "not a number"),
        ("inf,60.166,24.95,60.17", "not a number"),
        ("24.95,60.17,24.94,60.166", "turned around"),
        ("24.94,60.166,24.94,60.17", "empty"),
        ("-24.95,-60.17,-24.94,-60.166", "outside the map"),
        ("24.5,60.0,25.1,60.3", "limit is 150 km2"),
        ("-200,-95,200,95", "."),
        ("1e300,0,1e301,1", "."),
        ("24.94,85,24.95,86", "80 degrees"),
        ("2.35,48.85,2.36,48.86", "outside the map"),
    ],
)
def test_a_bad_box_is_told_in_one_sentence_and_the_page_stays(page, text, sentence):
    choose_box(page, text)
    assert not page.exception
    (error,) = page.error
    assert sentence in error.value and error.value.endswith(".") and "\n" not in error.value
    assert page.button(key="generate").disabled
    choose_box(page, TWO_BLOCKS)
    assert not page.error and not page.button(key="generate").disabled


def test_a_region_half_off_the_map_works_and_says_so(page):
    choose_box(page, "24.95,60.166,24.96,60.17")
    (warning,) = page.warning
    assert "lie on the map" in warning.value and not page.button(key="generate").disabled
    choose_box(page, TWO_BLOCKS)
    assert not page.warning


def test_the_limit_can_be_set(page, monkeypatch):
    monkeypatch.setenv("ZOOMDIFF_MAX_KM2", "0.5")
    (error,) = page.run().error
    assert "limit" in error.value and not page.exception
    monkeypatch.setenv("ZOOMDIFF_MAX_KM2", "a lot")
    (error,) = page.run().error
    assert "ZOOMDIFF_MAX_KM2" in error.value and not page.exception


def polygon(points: list) -> bytes:
    return json.dumps({"type": "Polygon", "coordinates": [[*points, points[0]]]}).encode()


def test_a_region_from_a_file(page):
    page.radio(key="kind").set_value("GeoJSON").run()
    assert "Upload" in words(page) and page.button(key="generate").disabled and not page.error
    triangle = polygon([[24.939, 60.166], [24.944, 60.166], [24.944, 60.168]])
    page.file_uploader(key="upload").set_value(("region.geojson", triangle, "application/json")).run()
    assert not page.error and not page.exception
    assert "km²" in words(page) and not page.button(key="generate").disabled


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"not json", "not valid GeoJSON"),
        (b"\xff\xfe\x00", "not valid GeoJSON"),
        (b'{"type": "Point", "coordinates": [24.94, 60.17]}', "not an area"),
        (b'{"type": "FeatureCollection", "features": []}', "no polygon"),
        (polygon([[24.93, 60.16], [24.95, 60.17], [24.95, 60.16], [24.93, 60.17]]), "crosses itself"),
    ],
)
def test_a_bad_file_is_told_in_one_sentence(page, content, sentence):
    page.radio(key="kind").set_value("GeoJSON").run()
    page.file_uploader(key="upload").set_value(("region.geojson", content, "application/json")).run()
    (error,) = page.error
    assert sentence in error.value and not page.exception


@pytest.mark.parametrize("path", ["/no/such/map.osm.pbf", "pyproject.toml", "app", "nowhere"])
def test_a_bad_map_is_told_in_one_sentence(page, path):
    page.selectbox(key="map").set_value("own").run()
    assert "Give the path of a map" in words(page) and not page.error
    page.text_input(key="path").set_value(path).run()
    (error,) = page.error
    assert error.value.endswith(".") and not page.exception
    page.selectbox(key="map").set_value("helsinki").run()
    assert not page.error and "6 blocks" in words(page)


def test_the_address_prefills_box_seed_and_habits():
    page = AppTest.from_file(str(PAGE), default_timeout=120)
    page.query_params["bbox"], page.query_params["seed"], page.query_params["habits"] = TWO_BLOCKS, "7", "china"
    page.run()
    assert page.segmented_control(key="habits").value == "china"
    assert page.radio(key="kind").value == "Box" and page.text_input(key="bbox").value == TWO_BLOCKS
    assert page.number_input(key="seed").value == 7


def test_a_shared_link_brings_the_week_its_level_and_its_hour(untrained):
    def opened(**query: str) -> AppTest:
        page = AppTest.from_file(str(PAGE), default_timeout=120)
        for name, value in {"bbox": TWO_BLOCKS, "seed": "7", "steps": "3", **query}.items():
            page.query_params[name] = value
        return page.run()

    page = opened(level="1", t="66")
    assert "in the week" in words(page) and "Wed 16:00-20:00" in words(page)
    assert page.select_slider(key="zoom").value == 1 and page.select_slider(key="step_1").value == 66 // 4
    assert page.selectbox(key="steps").value == "own" and page.number_input(key="own_steps").value == 3
    page.select_slider(key="zoom").set_value(2).run()
    assert "".join(page.query_params["level"]) == "2" and "".join(page.query_params["t"]) == "66"
    assert len(untrained) == 1
    assert "in the week" not in words(opened()), "without level and hour nothing is generated unasked"
    page = opened(level="9", t="x")
    assert not page.exception and page.select_slider(key="zoom").value == 3


def test_without_the_component_the_page_says_how_to_get_it(page):
    assert "make map" in words(page) and "Draw" not in page.radio(key="kind").options


SQUARE = [[24.9390, 60.1660], [24.9440, 60.1660], [24.9440, 60.1680], [24.9390, 60.1680], [24.9390, 60.1660]]


def draw(page: AppTest, ring: list) -> AppTest:
    page.session_state["drawn"] = {"type": "Polygon", "coordinates": [ring]}
    return page.radio(key="kind").set_value("Draw").run()


def test_a_drawn_region(component, untrained):
    page = AppTest.from_file(str(PAGE), default_timeout=120).run()
    assert component[-1]["drawing"] is None and len(component[-1]["wanted"]) == 1
    page.radio(key="kind").set_value("Draw").run()
    assert "Draw a region on the map" in words(page) and page.button(key="generate").disabled
    assert (
        component[-1]["drawing"] == {"polygon": None, "max_km2": 150, "of": "region"} and component[-1]["blocks"] == []
    )
    draw(page, SQUARE)
    assert "km²" in words(page) and not page.error and not page.button(key="generate").disabled
    draw(page, [[2.35, 48.85], [2.36, 48.85], [2.36, 48.86], [2.35, 48.85]])
    (error,) = page.error
    assert "outside the map" in error.value and component[-1]["drawing"]["polygon"] is not None
    draw(page, SQUARE)
    page.button(key="generate").click().run()
    assert "in the week" in words(page) and not page.exception
    assert [*map(float, "".join(page.query_params["bbox"]).split(","))] == [24.939, 60.166, 24.944, 60.168]


def test_the_component_is_sent_levels_and_only_awaits_them_while_the_model_runs(component, untrained):
    page = AppTest.from_file(str(PAGE), default_timeout=120).run()
    generate_small(page)
    while_it_ran, at_last = component[-2:]
    assert while_it_ran["quiet"] and not at_last["quiet"]
    assert while_it_ran["people"] is None and isinstance(at_last["people"], str)
    for sent in while_it_ran, at_last:
        assert [level["words"] for level in sent["levels"]] == list(STEPS)
    assert at_last["view"] == {"level": 3, "hour": page.session_state.hour, "places": ()}
    assert not page.select_slider, "the component has sliders of its own"
    page.segmented_control(key="view").set_value("3D").run()
    assert [slider.key for slider in page.select_slider] == ["zoom", "step_3"] and not page.exception


@pytest.mark.parametrize("seed", ["-3", "seven", "9" * 40])
def test_a_bad_seed_in_the_address_does_no_harm(seed):
    page = AppTest.from_file(str(PAGE), default_timeout=120)
    page.query_params["seed"] = page.query_params["habits"] = seed
    page.run()
    assert not page.exception and page.number_input(key="seed").value >= 0
    assert page.segmented_control(key="habits").value == "europe"


@pytest.mark.parametrize("name", ["structure", "aoi", "poi", "population"])
def test_every_context_layer_has_a_legend(page, name):
    assert not [html for html in page.html if "legend" in html.body]
    page.toggle(key=f"show_{name}").set_value(True).run()
    assert not page.exception
    (legend,) = (html.body for html in page.html if "legend" in html.body)
    assert "50 m square" in legend or "Places" in legend


def test_a_week_with_its_sliders(page, untrained):
    generate_small(page)
    assert "in the week" in words(page)
    zoom = page.select_slider(key="zoom")
    assert tuple(zoom.options) == STEPS and zoom.value == 3
    hour = page.session_state.hour
    for k, level in enumerate(S4T4):
        page.select_slider(key="zoom").set_value(k).run()
        time = page.select_slider(key=f"step_{k}")
        assert len(time.options) == 168 // level.hours
        assert time.value == hour // level.hours, "a change of level keeps the moment"
        assert any(f"and {level.hours} h" in html.body or "and 1 day" in html.body for html in page.html)
    assert page.select_slider(key="step_3").options[14] == "Mon 14:00-15:00"
    page.select_slider(key="step_3").set_value(30).run()
    page.select_slider(key="zoom").set_value(1).run()
    assert page.select_slider(key="step_1").value == 30 // 4
    assert len(untrained) == 1, "sliders never generate"


@pytest.mark.parametrize(
    ("panel", "widget"),
    [
        ("Understand", "understand"),
        ("What if", "whatif_kind"),
        ("Your own traffic", "refine_run"),
        ("Download", "download_file"),
    ],
)
def test_every_panel_opens_below_the_map(page, untrained, panel, widget):
    generate_small(page)
    page.segmented_control(key="panel").set_value(panel).run()
    assert not page.exception and not page.error
    assert widget in page.session_state
    assert len(untrained) == 1, "panels do not make the week again"


def test_results_are_kept_until_the_settings_change(page, untrained):
    generate_small(page, seed=1)
    first = next(text.value for text in page.markdown if "in the week" in text.value)
    page.number_input(key="seed").set_value(2).run()
    assert "in the week" not in words(page) and "Press **Generate**" in words(page)
    page.button(key="generate").click().run()
    second = next(text.value for text in page.markdown if "in the week" in text.value)
    assert second != first and len(untrained) == 2
    page.number_input(key="seed").set_value(1).run()
    assert first in [text.value for text in page.markdown] and len(untrained) == 2
    page.segmented_control(key="habits").set_value("china").run()
    assert "in the week" not in words(page), "other habits are another week"


def test_logarithmic_colours_and_opacity_reach_the_legend(page, untrained):
    generate_small(page)
    legends = [html.body for html in page.html if "Traffic per" in html.body]
    page.radio(key="look").set_value("logarithmic").run()
    page.slider(key="opacity").set_value(0.3).run()
    (legend,) = (html.body for html in page.html if "Traffic per" in html.body)
    assert "≤" in legend and legends != [legend]


def test_a_seed_typed_just_before_the_click_is_in_the_address(page, untrained):
    generate_small(page)
    page.number_input(key="seed").set_value(9)
    page.button(key="generate").click().run()  # both reach Python at once
    assert "".join(page.query_params["seed"]) == "9"
    assert page.number_input(key="seed").value == 9 and "in the week" in words(page)


def test_generating_puts_the_region_into_the_address(page, untrained):
    generate_small(page, seed=4)
    address = {key: "".join(value) for key, value in page.query_params.items()}
    assert [*map(float, address["bbox"].split(","))] == pytest.approx([24.939, 60.166, 24.944, 60.168])
    assert address["seed"] == "4" and address["habits"] == "europe" and address["steps"] == "3"
    assert address["level"] == "3" and address["t"] == str(page.session_state.hour)
    page.radio(key="kind").set_value("GeoJSON").run()
    triangle = polygon([[24.939, 60.166], [24.944, 60.166], [24.944, 60.168]])
    page.file_uploader(key="upload").set_value(("region.geojson", triangle, "application/json")).run()
    page.button(key="generate").click().run()
    assert "in the week" in words(page) and not page.query_params


def test_missing_weights_are_told_and_the_page_stays(page, monkeypatch):
    def missing():
        raise CheckpointError("The weights are missing: restore them.")

    monkeypatch.setattr(work, "model", missing)
    page.button(key="generate").click().run()
    assert [error.value for error in page.error] == ["The weights are missing: restore them."]
    assert not page.exception and not page.button(key="generate").disabled and "6 blocks" in words(page)


def test_cancel_ends_the_work_and_leaves_the_page_as_it_was(page, untrained, monkeypatch):
    """The first step of the model is where the user presses Cancel."""
    real, stages = work.run, []

    def interrupted(request, uec, on_progress, *others):
        def step(*at):
            stages.append(at[:3])
            on_progress(*at)
            st.session_state.busy = False  # what the button's callback does ...
            st.rerun()  # ... before the page starts anew

        real(request, uec, step, *others)

    monkeypatch.setattr(work, "run", interrupted)
    choose_box(page, TWO_BLOCKS)
    page.button(key="generate").click().run()
    assert stages == [(0, 1, FAST[0])]
    assert not page.exception and not page.error
    assert "Press **Generate**" in words(page) and not page.button(key="generate").disabled
