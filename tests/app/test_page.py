"""The page, driven without a browser: what the widgets do and what the page says."""

import importlib
import itertools
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
import streamlit as st
from panel_page import PATIENCE, TWO_BLOCKS, choose_box, finish, opened, run_of, words
from streamlit.testing.v1 import AppTest
from zoomdiff.app import generation, sidebar, work, zoommap
from zoomdiff.app.messages import plain

from zoomdiff.errors import CheckpointError
from zoomdiff.levels import S4T4

STEPS = "1 day · base station", "4 h · cell", "2 h · 100 m grid", "1 h · 50 m grid"
SQUARE = [[24.9390, 60.1660], [24.9440, 60.1660], [24.9440, 60.1680], [24.9390, 60.1680], [24.9390, 60.1660]]
TRIANGLE = [[24.939, 60.166], [24.944, 60.166], [24.944, 60.168], [24.939, 60.166]]

pytestmark = pytest.mark.usefixtures("no_component", "untrained")


def polygon(ring: list) -> bytes:
    return json.dumps({"type": "Polygon", "coordinates": [ring]}).encode()


def draw(page: AppTest, ring: list) -> AppTest:
    page.session_state["drawn"] = json.loads(polygon(ring))
    return page.radio(key="kind").set_value("Draw").run()


def generate(page: AppTest) -> AppTest:
    page.button(key="generate").click().run()
    return finish(page, generation.NAME)


def week_words(page: AppTest) -> list[str]:
    """The sentence with the totals of the week, if one is shown."""
    return [text.value for text in page.markdown if "in the week" in text.value]


@pytest.fixture(scope="module")
def start() -> AppTest:
    """The page as it opens, shared by tests that only choose on it what they look at."""
    return opened()


@pytest.fixture(scope="module")
def week(no_component, untrained) -> AppTest:
    """The page with a week, shared by tests that leave its settings alone."""
    return generate(opened(bbox=TWO_BLOCKS, steps="3", seed="4"))


def test_importing_the_page_draws_nothing(monkeypatch):
    monkeypatch.delitem(sys.modules, "zoomdiff.app.main", raising=False)
    monkeypatch.setattr(st, "set_page_config", lambda **_: pytest.fail("the page was drawn"))
    assert callable(importlib.import_module("zoomdiff.app.main").page)


def test_starts_with_the_embedded_map_and_says_what_it_is(start):
    assert "0.96 km²" in words(start) and "6 blocks" in words(start)
    assert "made by a model, not measured" in words(start)
    assert "© OpenStreetMap contributors" in words(start) and "ODbL" in words(start)
    assert "make map" in words(start) and "Draw" not in start.radio(key="kind").options
    assert not start.error and not start.button(key="generate").disabled


def test_a_bad_box_is_one_sentence_and_the_page_stays(start):
    """The sentences are those of `Region`: see tests/test_region.py."""
    for text, sentence in (("24.94,60.166", "four numbers"), ("2.35,48.85,2.36,48.86", "outside the map")):
        choose_box(start, text)
        (error,) = start.error
        assert sentence in error.value and not start.exception and start.button(key="generate").disabled
    choose_box(start, TWO_BLOCKS)
    assert not start.error and not start.button(key="generate").disabled


def test_a_region_half_off_the_map_works_and_says_so(start):
    choose_box(start, "24.95,60.166,24.96,60.17")
    (warning,) = start.warning
    assert "lies on the map" in warning.value and not start.button(key="generate").disabled
    choose_box(start, TWO_BLOCKS)
    assert not start.warning


def test_the_limit_can_be_set(start, monkeypatch):
    choose_box(start, "24.9386,60.1656,24.9518,60.1755")
    monkeypatch.setenv("ZOOMDIFF_MAX_KM2", "0.5")
    (error,) = start.run().error
    said = "the limit is 0.5 km2: draw a smaller one, or start the app with a larger ZOOMDIFF_MAX_KM2."
    assert error.value.endswith(plain(said))
    assert not start.exception
    monkeypatch.setenv("ZOOMDIFF_MAX_KM2", "a lot")
    (error,) = start.run().error
    assert plain("ZOOMDIFF_MAX_KM2") in error.value and not start.exception


def test_a_region_from_a_file(start):
    start.radio(key="kind").set_value("GeoJSON").run()
    assert "Upload" in words(start) and start.button(key="generate").disabled and not start.error
    start.file_uploader(key="upload").set_value(("region.geojson", b"\xff\xfe\x00", "application/json")).run()
    (error,) = start.error
    assert "not valid GeoJSON" in error.value and not start.exception
    start.file_uploader(key="upload").set_value(("region.geojson", polygon(TRIANGLE), "application/json")).run()
    assert not start.error and not start.exception
    assert "km²" in words(start) and not start.button(key="generate").disabled


def test_a_bad_map_is_one_sentence_and_the_page_stays(start):
    """The sentences are those of `read_map`: see tests/context/test_layers.py."""
    start.selectbox(key="map").set_value("own").run()
    assert "Give the path of a map" in words(start) and not start.error
    start.text_input(key="path").set_value("/no/such/map.osm.pbf").run()
    (error,) = start.error
    assert error.value.endswith(".") and not start.exception
    start.selectbox(key="map").set_value("helsinki").run()
    assert not start.error and "blocks" in words(start)


def test_every_context_layer_has_a_legend(start):
    choose_box(start, TWO_BLOCKS)
    for name in ("structure", "aoi", "poi", "population"):
        start.toggle(key=f"show_{name}").set_value(True).run()
        (legend,) = (html.body for html in start.html if "legend" in html.body)
        assert "50 m square" in legend or "Places" in legend
        start.toggle(key=f"show_{name}").set_value(False).run()
    assert not start.exception and not [html for html in start.html if "legend" in html.body]


def test_the_address_prefills_box_seed_and_habits():
    page = opened(bbox=TWO_BLOCKS, seed="7", habits="china")
    assert page.segmented_control(key="habits").value == "china"
    assert page.radio(key="kind").value == "Box" and page.text_input(key="bbox").value == TWO_BLOCKS
    assert page.number_input(key="seed").value == 7


def test_a_bad_address_does_no_harm():
    page = opened(seed="seven", habits="martian", level="9", t="x", steps="-1", bbox=TWO_BLOCKS)
    finish(page.button(key="generate").click().run(), generation.NAME)
    assert page.number_input(key="seed").value == 0 and page.segmented_control(key="habits").value == "europe"
    assert page.select_slider(key="zoom").value == 3, "the level is the finest"


@pytest.mark.parametrize(("text", "number"), [("-3", None), ("seven", None), (None, None), ("9" * 40, 99), ("7", 7)])
def test_numbers_of_an_address(text, number):
    assert sidebar._number(text, 99) == number


def test_a_shared_link_brings_the_week_its_level_and_its_hour(untrained):
    before = len(untrained)
    page = opened(bbox=TWO_BLOCKS, seed="7", steps="3", level="1", t="66")
    assert run_of(page, generation.NAME) is None, "another site may have opened it"
    assert "The link that you opened is to a week of this region" in words(page)
    page = finish(page.button(key="generate").click().run(), generation.NAME)
    assert week_words(page) and "Wed 16:00-20:00" in words(page)
    assert page.select_slider(key="zoom").value == 1 and page.select_slider(key="step_1").value == 66 // 4
    assert page.selectbox(key="steps").value == "own" and page.number_input(key="own_steps").value == 3
    page.select_slider(key="zoom").set_value(2).run()
    assert "".join(page.query_params["level"]) == "2" and "".join(page.query_params["t"]) == "66"
    assert len(untrained) == before + 1
    assert "The link that you opened" not in words(opened(bbox=TWO_BLOCKS, seed="7", steps="3"))


def test_a_drawn_region(component):
    page = opened(steps="3")
    assert component[-1]["drawing"] is None and len(component[-1]["wanted"]) == 1
    page.radio(key="kind").set_value("Draw").run()
    assert "Draw a region on the map" in words(page) and page.button(key="generate").disabled
    tools = {"polygon": None, "max_km2": 150, "of": "region"}
    assert component[-1]["drawing"] == tools and component[-1]["blocks"] == []
    draw(page, [[2.35, 48.85], [2.36, 48.85], [2.36, 48.86], [2.35, 48.85]])
    (error,) = page.error
    assert "outside the map" in error.value and component[-1]["drawing"]["polygon"] is not None
    draw(page, SQUARE)
    assert "km²" in words(page) and not page.error
    generate(page)
    assert week_words(page)
    assert [*map(float, "".join(page.query_params["bbox"]).split(","))] == [24.939, 60.166, 24.944, 60.168]


def test_the_component_is_sent_levels_and_only_awaits_them_while_the_model_runs(component):
    page = opened(bbox=TWO_BLOCKS, steps="3")
    generate(page)
    while_it_ran = next(sent for sent in component if sent["quiet"])
    at_last = component[-1]
    assert not at_last["quiet"] and while_it_ran["people"] is None and isinstance(at_last["people"], str)
    for sent in while_it_ran, at_last:
        assert [level["words"] for level in sent["levels"]] == list(STEPS)
    assert at_last["view"] == {"level": 3, "hour": page.session_state.hour, "places": ()}
    assert not page.select_slider, "the component has its own sliders"
    page.segmented_control(key="view").set_value("3D").run()
    assert [slider.key for slider in page.select_slider] == ["zoom", "step_3"] and not page.exception


def test_a_component_that_comes_or_goes_while_the_page_is_drawn_does_no_harm(component, monkeypatch):
    """It is built while the page is open, or removed."""
    answers = itertools.cycle([True, False])
    monkeypatch.setattr(zoommap, "available", lambda: next(answers))
    page = opened(bbox=TWO_BLOCKS, steps="3")
    for _ in range(2):  # the answer may be either one at each question
        page.number_input(key="seed").increment().run()
        page.button(key="generate").click().run()
        assert not page.exception
        finish(page, generation.NAME)
        next(answers)
        page.run()
        assert week_words(page) and not page.exception


def test_a_week_says_what_its_model_learned_from(week):
    (made,) = week.session_state.results.values()
    assert made.provenance["training"].startswith("Generated by a model trained on")
    assert made.provenance["training"] in words(week)


def test_a_week_with_its_sliders(week, untrained):
    before = len(untrained)
    zoom = week.select_slider(key="zoom")
    assert week_words(week) and tuple(zoom.options) == STEPS
    hour = week.session_state.hour
    for k, level in enumerate(S4T4):
        week.select_slider(key="zoom").set_value(k).run()
        time = week.select_slider(key=f"step_{k}")
        assert len(time.options) == 168 // level.hours
        assert time.value == hour // level.hours, "a change of level keeps the moment"
        assert any(f"and {level.hours} h" in html.body or "and 1 day" in html.body for html in week.html)
    assert week.select_slider(key="step_3").options[14] == "Mon 14:00-15:00"
    week.select_slider(key="step_3").set_value(30).run()
    week.select_slider(key="zoom").set_value(1).run()
    assert week.select_slider(key="step_1").value == 30 // 4
    assert len(untrained) == before, "sliders never generate"


@pytest.mark.parametrize(
    ("panel", "widget"),
    [
        ("Understand", "understand"),
        ("What if", "whatif_kind"),
        ("Your own traffic", "refine_run"),
        ("Download", "download_file"),
    ],
)
def test_every_panel_opens_below_the_map(week, untrained, panel, widget):
    before = len(untrained)
    week.segmented_control(key="panel").set_value(panel).run()
    assert not week.exception and not week.error
    assert widget in week.session_state
    assert len(untrained) == before, "panels do not make the week again"


def test_logarithmic_colours_and_opacity_reach_the_legend(week):
    legends = [html.body for html in week.html if "Traffic per" in html.body]
    week.radio(key="look").set_value("logarithmic").run()
    week.slider(key="opacity").set_value(0.3).run()
    (legend,) = (html.body for html in week.html if "Traffic per" in html.body)
    assert "≤" in legend and legends != [legend]


def test_results_are_kept_until_the_settings_change(untrained):
    page = generate(opened(bbox=TWO_BLOCKS, steps="3", seed="1"))
    first, before = week_words(page), len(untrained)
    address = {key: "".join(value) for key, value in page.query_params.items()}
    assert [*map(float, address["bbox"].split(","))] == pytest.approx([24.939, 60.166, 24.944, 60.168])
    assert address["seed"] == "1" and address["habits"] == "europe" and address["steps"] == "3"
    assert address["level"] == "3" and address["t"] == str(page.session_state.hour)
    page.number_input(key="seed").set_value(2).run()
    assert not week_words(page) and "Press **Generate**" in words(page)
    page.number_input(key="seed").set_value(9)
    generate(page)  # the seed typed just before the click reaches Python with it
    assert "".join(page.query_params["seed"]) == "9" and page.number_input(key="seed").value == 9
    assert week_words(page) not in ([], first) and len(untrained) == before + 1
    page.number_input(key="seed").set_value(1).run()
    assert week_words(page) == first and len(untrained) == before + 1
    page.segmented_control(key="habits").set_value("china").run()
    assert not week_words(page), "other habits are another week"


def test_a_polygon_does_not_fit_into_the_address_but_the_token_of_its_week_does():
    page = opened(bbox=TWO_BLOCKS, steps="3")
    page.radio(key="kind").set_value("GeoJSON").run()
    page.file_uploader(key="upload").set_value(("region.geojson", polygon(TRIANGLE), "application/json")).run()
    assert week_words(generate(page)) and set(page.query_params) == {"week", "level", "t"}


def test_missing_weights_are_one_sentence_and_the_page_stays(start, monkeypatch):
    def missing():
        raise CheckpointError("The weights are missing: restore them.")

    choose_box(start, TWO_BLOCKS)
    monkeypatch.setattr(work, "model", missing)
    start.button(key="generate").click().run()
    assert [error.value for error in start.error] == [plain("The weights are missing: restore them.")]
    assert not start.exception and not start.button(key="generate").disabled and "blocks" in words(start)


@pytest.fixture
def held(monkeypatch) -> Iterator[SimpleNamespace]:
    """A model that has made its first step and first level, and makes the next one once it may `go`."""
    held = SimpleNamespace(began=threading.Event(), go=threading.Event(), ended=threading.Event())
    real = generation.generate

    def generate(model, uec, *, callbacks, **options):
        def on_level(k, volumes):
            callbacks.on_level(k, volumes)
            held.began.set()
            assert held.go.wait(PATIENCE)

        try:
            return real(model, uec, callbacks=replace(callbacks, on_level=on_level), **options)
        finally:
            held.ended.set()

    monkeypatch.setattr(generation, "generate", generate)
    yield held
    held.go.set()


def test_levels_are_shown_while_the_week_is_made(held):
    page = opened(bbox=TWO_BLOCKS, steps="3")
    page.button(key="generate").click().run()
    assert held.began.wait(PATIENCE)
    page.run()
    assert page.number_input(key="seed").disabled and page.button(key="generate").disabled
    (levels,) = (html.body for html in page.html if 'class="levels"' in html.body)
    assert levels.count("<img") == 1 and "Average of the week, per base station and 1 day" in levels
    held.go.set()
    assert week_words(finish(page, generation.NAME)) and not page.number_input(key="seed").disabled


def test_cancel_ends_the_work_and_leaves_the_page_as_it_was(held):
    page = opened(bbox=TWO_BLOCKS, steps="3")
    page.button(key="generate").click().run()
    assert held.began.wait(PATIENCE)
    page.run()
    page.button(key="generate_cancel").click().run()
    assert run_of(page, generation.NAME) is None and not held.ended.is_set(), "the page does not wait for the model"
    assert not page.exception and not page.error
    assert "Press **Generate**" in words(page) and not page.button(key="generate").disabled
    held.go.set()
    assert held.ended.wait(PATIENCE)
    page.run()
    assert not week_words(page)
