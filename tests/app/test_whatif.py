"""The panel of changes, driven without a browser."""

import json
import threading
import time

import numpy as np
import pytest
import shapely
from panel_page import PATIENCE, finish, run_of, words
from streamlit.testing.v1 import AppTest
from zoomdiff.app import work

from zoomdiff.context.edits import Event, Park
from zoomdiff.context.scenario import Scenario, apply, to_geojson
from zoomdiff.errors import CheckpointError
from zoomdiff.generation import generate
from zoomdiff.sampling import Sampling
from zoomdiff.week import human_bytes


def page_of(week, place, drawn):
    from zoomdiff.app import whatif

    whatif.panel(week, place, 3, [], drawn=drawn)


@pytest.fixture(scope="module")
def before(model, place):
    """The week without changes."""
    return generate(model, place.uec, seed=5, sampling=Sampling(steps=2))


@pytest.fixture
def open_page(untrained, place, before):
    def open_page(drawn=None) -> AppTest:
        page = AppTest.from_function(page_of, args=(before, place, drawn), default_timeout=60).run()
        assert not page.exception
        return page

    return open_page


def add(page: AppTest, kind: str) -> AppTest:
    page.selectbox(key="whatif_kind").set_value(kind).run()
    page.button(key="whatif_add").click().run()
    assert not page.exception and not page.error
    return page


def middle(region) -> tuple[float, float]:
    return tuple(region.centres()[12, 4])


def ground(region, side: float = 0.001) -> shapely.Polygon:
    return shapely.Point(middle(region)).buffer(side, cap_style="square")


KINDS = {
    "mall": "New shopping mall: 40,000 m² of floor",
    "offices": "New offices: 30,000 m² of floor",
    "flats": "New flats: 20,000 m² of floor",
    "event": "Event with 30,000 visitors, Saturday 18:00-22:00",
    "park": "Park",
    "road": "Close roads",
    "demolish": "Demolish",
    "people": "Scale the population by 1.5",
}


def test_every_kind_of_change_can_be_added_and_taken_away(open_page):
    page = open_page()
    assert "No change yet" in words(page) and page.button(key="whatif_run").disabled
    for number, (kind, said) in enumerate(KINDS.items(), 1):
        add(page, kind)
        assert f"Changes: {number}" in words(page)
        assert f"{number}\\. {said}".replace(":", "\\:") in words(page)
    page.button(key="whatif_remove_0").click().run()
    assert f"Changes: {len(KINDS) - 1}" in words(page) and "mall" not in words(page)


def test_the_square_is_where_and_as_large_as_asked_for(open_page, region):
    page = open_page()
    lon, lat = middle(region)
    page.number_input(key="whatif_lat").set_value(lat).run()
    page.number_input(key="whatif_lon").set_value(lon).run()
    page.number_input(key="whatif_side_New shopping mall").set_value(100).run()
    page.button(key="whatif_add").click().run()
    (edit,) = page.session_state.whatif_edits
    assert edit.ground.centroid.coords[0] == pytest.approx((lon, lat), abs=1e-5)
    _, south, _, north = edit.ground.bounds
    assert (north - south) * 111_400 == pytest.approx(100, rel=0.06)  # its sides follow the zone's north


def test_what_is_typed_just_before_the_click_is_added(open_page):
    page = open_page()
    page.number_input(key="whatif_floor_commercial").set_value(7000.0)
    page.button(key="whatif_add").click().run()  # both reach Python at once
    (edit,) = page.session_state.whatif_edits
    assert edit.floor_m2 == 7000 and "7,000 m²" in words(page)


def test_a_drawn_polygon_is_taken_first(open_page, region):
    page = open_page(ground(region))
    add(page, "park")
    assert page.session_state.whatif_edits == [Park(ground(region))]


def test_a_place_outside_the_region_is_one_sentence(open_page):
    page = open_page()
    page.number_input(key="whatif_lat").set_value(60.3).run()
    (error,) = page.error
    assert "outside the region" in error.value and page.button(key="whatif_add").disabled


def outline(page: AppTest, content: bytes) -> AppTest:
    page.segmented_control(key="whatif_where_2").set_value("GeoJSON file").run()
    return page.file_uploader(key="whatif_ground").set_value(("<b>x</b>.geojson", content, "application/json")).run()


def test_an_outline_from_a_file(open_page, region):
    page = outline(open_page(), shapely.to_geojson(ground(region)).encode())
    page.button(key="whatif_add").click().run()
    assert page.session_state.whatif_edits[0].ground.equals_exact(ground(region), 1e-9)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"<script>alert(1)</script>",
            "The outline is not valid GeoJSON\\: save it as GeoJSON with one polygon in it.",
        ),
        (
            b'{"type": "Point", "coordinates": [24.9, 60.1]}',
            "The GeoJSON holds no polygon\\: draw one and save it again.",
        ),
        (
            shapely.to_geojson(shapely.box(385_000, 6_670_000, 386_000, 6_671_000)).encode(),
            "The geometry is not in degrees\\: give lon/lat \\(WGS84\\) within -180..180 and -90..90.",
        ),
        (
            shapely.to_geojson(
                shapely.Polygon([(24.93, 60.16), (24.95, 60.17), (24.95, 60.16), (24.93, 60.17)])
            ).encode(),
            "The outline crosses itself or is broken",
        ),
        (shapely.to_geojson(shapely.box(2, 48, 2.1, 48.1)).encode(), "The place lies outside the region\\:"),
    ],
)
def test_a_bad_outline_is_one_sentence(open_page, content, sentence):
    page = outline(open_page(), content)
    (error,) = page.error
    assert error.value.startswith(sentence) and not page.exception and page.button(key="whatif_add").disabled
    page.segmented_control(key="whatif_where_2").set_value("Square").run()
    assert not page.exception and not page.error and not page.button(key="whatif_add").disabled


def load(page: AppTest, content: bytes) -> AppTest:
    return page.file_uploader(key="whatif_load").set_value(("changes.geojson", content, "application/json")).run()


def test_a_file_of_changes_is_loaded_once(open_page, region):
    edits = [Event(ground(region), 500, 6, 20, 24), Park(ground(region, 0.0005))]
    page = load(add(open_page(), "mall"), to_geojson(Scenario(tuple(edits))))
    assert page.session_state.whatif_edits == edits and not page.error
    page.button(key="whatif_remove_1").click().run()
    assert page.session_state.whatif_edits == edits[:1], "what was loaded stays changed"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no", "The scenario is not JSON"),
        (b"{}", "no GeoJSON FeatureCollection"),
        (
            json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"edit": "<b>"}}]}),
            "'\\<b\\>'",
        ),
    ],
)
def test_a_bad_file_of_changes_is_one_sentence_and_changes_nothing(open_page, content, sentence):
    page = load(add(open_page(), "mall"), content if isinstance(content, bytes) else content.encode())
    (error,) = page.error
    assert sentence in error.value and not page.exception and len(page.session_state.whatif_edits) == 1


def test_too_many_changes_are_refused(open_page, region):
    page = load(open_page(), to_geojson(Scenario((Park(ground(region)),) * 101)))
    (error,) = page.error
    assert "101 changes and the limit is 100" in error.value and not page.session_state.whatif_edits


def test_the_changed_week_has_the_same_seed_and_its_totals_are_shown(open_page, model, place, before, region):
    page = add(open_page(ground(region)), "event")
    page.button(key="whatif_run").click().run()
    assert not page.exception
    finish(page, "whatif")
    event = Event(ground(region), 30_000, "Saturday", 18, 22)
    expected = generate(model, apply(place.uec, Scenario((event,))), seed=5, sampling=Sampling(steps=2))
    assert f"**{human_bytes(before.total())}** in the week before" in words(page)
    assert f"**{human_bytes(expected.total())}** with the changes" in words(page)
    (table,) = page.table
    assert table.value["Where"].tolist() == ["inside the outline", "up to 400 m around", "elsewhere"]
    assert any("no change" in html.body for html in page.html)
    page.segmented_control(key="whatif_shown").set_value("Largest step").run()
    moved = np.abs(expected.volumes[-1] - before.volumes[-1]).sum((1, 2))
    largest = before.time_label(3, int(moved.argmax()))
    assert any(f"minus traffic without, per 50 m square, {largest}" in html.body for html in page.html)
    page.segmented_control(key="whatif_curve").set_value("around").run()
    assert not page.exception
    add(page, "park")
    assert not page.table, "another list of changes has no result yet"


def test_what_changes_nothing_changes_nothing(open_page, before):
    page = open_page()
    page.selectbox(key="whatif_kind").set_value("people").run()
    page.number_input(key="whatif_factor").set_value(1.0).run()
    page.button(key="whatif_add").click().run()
    page.button(key="whatif_run").click().run()
    finish(page, "whatif")
    assert f"**{human_bytes(before.total())}** with the changes: **0 B** (+0.0 %)" in words(page)


def test_cancel_ends_the_run_and_the_panel_goes_on(open_page, monkeypatch):
    from zoomdiff.app import whatif

    began, ended = threading.Event(), threading.Event()

    def endless(*arguments, callbacks, **options):
        try:
            while True:
                callbacks.on_step(0, 1, 10)
                began.set()
                time.sleep(0.001)
        finally:
            ended.set()

    monkeypatch.setattr(whatif, "generate", endless)
    page = add(open_page(), "park")
    page.button(key="whatif_run").click().run()
    assert began.wait(PATIENCE)
    page.run()
    assert page.button(key="whatif_run").disabled
    page.button(key="whatif_cancel").click().run()
    assert ended.wait(PATIENCE) and run_of(page, "whatif") is None and not page.exception and not page.error
    page.run()
    assert not page.button(key="whatif_run").disabled and "Changes: 1" in words(page)


def test_missing_weights_are_one_sentence(open_page, monkeypatch):
    def missing():
        raise CheckpointError("The weights are missing: restore them.")

    page = add(open_page(), "park")
    monkeypatch.setattr(work, "model", missing)
    page.button(key="whatif_run").click().run()
    (error,) = page.error
    assert error.value == "The weights are missing\\: restore them." and not page.exception
