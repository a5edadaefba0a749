"""The download panel: what it offers, and that what it gives is the file."""

import pytest
from streamlit.testing.v1 import AppTest

from zoomdiff.export.formats import FORMATS

OFFERED = {name: kind for name, kind in FORMATS.items() if kind.mime}  # the others are folders


@pytest.fixture
def page(week) -> AppTest:
    """The panel alone on a page, of which the 50 m squares on Wednesday from 17 to 18 are shown."""

    def script(week, k, step):
        from zoomdiff.app import downloads

        downloads.panel(week, None, k, step)

    page = AppTest.from_function(script, args=(week, 3, 65)).run()
    assert not page.exception
    return page


def button(page: AppTest):
    (one,) = page.get("download_button")
    return one.proto


def choose(page: AppTest, name: str) -> AppTest:
    page.selectbox(key="download_file").set_value(name).run()
    assert not page.exception
    return page


def test_every_format_is_offered_with_its_size(page):
    for name, kind in OFFERED.items():
        if name == "uec":  # this page has none
            continue
        choose(page, name)
        label = button(page).label
        assert kind.ending.strip("_") in label and "about" in label and label.endswith("B")
        assert page.caption[0].value == kind.about
    assert len(page.get("download_button")) == 1


def test_the_level_follows_the_map_and_can_be_another(page, week):
    assert "grid50.geojson" in button(page).label
    page.selectbox(key="download_level_3").set_value(0).run()
    assert "bs.geojson" in button(page).label


def test_a_time_window_begins_with_the_shown_day_and_never_ends_before_it_begins(page):
    choose(page, "geojson-long")
    first, last = page.selectbox[2:4]
    assert (first.label, last.label) == ("From", "To")
    assert first.options[first.index] == "Wed 00:00" and last.options[last.index] == "Wed 24:00"
    first.set_value(100).run()
    last = page.selectbox[3]
    assert last.options[0] == "Fri 05:00" and last.options[-1] == "Sun 24:00" and last.index == 0
    choose(page, "csv")
    first, last = page.selectbox[2:4]
    assert first.options[first.index] == "Mon 00:00" and last.options[last.index] == "Sun 24:00"


def test_too_large_a_file_is_not_made(page, monkeypatch):
    monkeypatch.setattr("zoomdiff.app.downloads.LARGEST", 1e5)
    choose(page, "csv")
    assert button(page).disabled and "choose a shorter time" in page.warning[0].value
    page.selectbox(key="download_level_3").set_value(0).run()
    assert not button(page).disabled and not page.warning


def test_files_are_made_only_when_they_are_asked_for(week, monkeypatch):
    made, given = [], {}
    monkeypatch.setattr("zoomdiff.export.formats.to_geojson", lambda week, k: made.append(k) or b"{}")

    def button(label, data, **options):
        given.update(options, data=data)

    monkeypatch.setattr("streamlit.download_button", button)

    def script(week):
        from zoomdiff.app import downloads

        from zoomdiff.export.reproduce import Inputs

        downloads.panel(week, None, 2, 0, inputs=Inputs("helsinki"))

    page = AppTest.from_function(script, args=(week,)).run()
    assert not page.exception and not made and given["on_click"] == "ignore"
    assert given["data"]() == b"{}" and made == [2] and given["file_name"] == "zoomdiff-grid100.geojson"
