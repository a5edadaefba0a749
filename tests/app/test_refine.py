"""The panel for measured traffic, driven without a browser."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from panel_page import finish, words
from streamlit.testing.v1 import AppTest
from zoomdiff.app import refine

from zoomdiff.export import to_geojson
from zoomdiff.week import human_bytes


def page_of(place):
    import streamlit as st
    from zoomdiff.app import refine

    week = refine.panel(place, [], seed=3, steps=2, preset="europe")
    st.session_state.refined = week


@pytest.fixture(scope="module")
def table(place) -> pd.DataFrame:
    """The template, as a user fills it in."""
    return pd.read_csv(io.StringIO(refine.template(place.uec)))


@pytest.fixture
def page(untrained, place) -> AppTest:
    page = AppTest.from_function(page_of, args=(place,), default_timeout=60).run()
    assert not page.exception and page.button(key="refine_run").disabled
    return page


def upload(page: AppTest, content: bytes | str | pd.DataFrame, name: str = "traffic.csv", key: str = "traffic"):
    if isinstance(content, pd.DataFrame):
        content = content.to_csv(index=False)
    content = content.encode() if isinstance(content, str) else content
    page.file_uploader(key=f"refine_{key}").set_value((name, content, "text/plain")).run()
    assert not page.exception
    return page


def test_the_template_is_of_the_region_and_can_be_uploaded(page, table, region):
    assert table.columns.tolist() == ["time", "site", "lon", "lat", "bytes"] and len(table) == 168 * region.blocks.sum()
    upload(page, table)
    assert not page.error and not page.button(key="refine_run").disabled
    assert f"**{region.blocks.sum()} base stations or cells**, steps of 1 h" in words(page)
    assert "Monday, 2025-03-03" in words(page)


def test_refined_squares_sum_up_to_what_was_given(page, table, region):
    upload(page, table).button(key="refine_run").click().run()
    finish(page, "refine")
    given = human_bytes(table.bytes.sum())
    assert f"Given **{given}**, refined **{given}** in the week: every step of every base station is kept" in words(
        page
    )
    week = page.session_state.refined
    assert week.total() == pytest.approx(table.bytes.sum()) and week.provenance["seed"] == 3
    assert week.volumes[0][:, region.blocks].sum() == pytest.approx(week.total())
    page.selectbox(key="refine_one").set_value(2).run()
    assert not page.exception and page.selectbox(key="refine_one").options[2] == "BS 3"
    upload(page, table.assign(bytes=1))
    assert page.session_state.refined is None and not page.exception, "another table has no result yet"


def test_units_gaps_and_a_table_of_sites(page, table):
    sites = table[["site", "lon", "lat"]].drop_duplicates()
    upload(page, table.drop(columns=["lon", "lat"]).drop(index=5))
    (error,) = page.error
    assert "give a table of sites" in error.value
    upload(page, sites, "sites.csv", "sites")
    (error,) = page.error
    assert "1 of 840 values are missing" in error.value
    page.selectbox(key="refine_fill").set_value("Count as 0").run()
    page.selectbox(key="refine_unit").set_value("MB").run()
    assert not page.error
    assert f"**{human_bytes(1e6 * (table.bytes.sum() - table.bytes[5]))}** in the week" in words(page)


def test_geojson_and_parquet(page, table, week):
    upload(page, to_geojson(week, 1), "cell.geojson")
    assert not page.error and f"**{human_bytes(week.total())}** in the week" in words(page)
    stream = io.BytesIO()
    table.to_parquet(stream)
    upload(page, stream.getvalue(), "t.parquet")
    assert not page.error and f"**{human_bytes(table.bytes.sum())}** in the week" in words(page)


def test_times_in_utc_are_moved_to_the_place(page, table):
    upload(page, table.assign(time=pd.to_datetime(table.time).dt.strftime("%Y-%m-%dT%H:%MZ")))
    page.text_input(key="refine_zone").set_value("Nowhere/Land").run()
    (error,) = page.error
    assert "There is no time zone 'Nowhere/Land'" in error.value
    page.text_input(key="refine_zone").set_value("Europe/Helsinki").run()
    (error,) = page.error
    assert "from 02\\:00" in error.value or "no seven whole days" in error.value, "the week is two hours short now"


HTML = "<img src=x onerror=alert(1)>"


def changed(table: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    """The table with one value replaced, in line 7 of the file."""
    return table.astype({column: object}).assign(**{column: lambda t: t[column].where(np.arange(len(t)) != 5, value)})


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (lambda t: changed(t, "bytes", np.nan), "1 of 840 values are missing"),
        (lambda t: changed(t, "bytes", -1), "line 7: the volume -1 is negative"),
        (lambda t: changed(t, "bytes", "lots"), "line 7: the volume 'lots' is not a number"),
        (lambda t: changed(t, "bytes", HTML), "line 7: the volume '<img src=x onerror=alert(1)>' is not a number"),
        (lambda t: changed(t, "time", "[x](http://evil)"), "line 7: the time '[x](http://evil)' cannot be read"),
        (lambda t: t.assign(bytes=1e30), "check the unit"),
        (lambda t: t.assign(bytes=0), "nothing to refine"),
        (lambda t: t.assign(lon=385_000 + t.lon, lat=6_670_000), "is not within -180..180 degrees"),
        (lambda t: t.assign(lon=t.lon + 5), "has nothing in the region"),
        (lambda t: t.rename(columns={"lon": "lat", "lat": "lon"}), "longitude and latitude seem to be swapped"),
        (lambda t: t[t.time < "2025-03-09"], "covers 6 days: a whole week of 7 days is needed"),
        (lambda t: pd.concat([t, t[:1]]), "is already in line 2"),
        (lambda t: t.drop(columns="bytes"), "has no column for the bytes"),
        (lambda t: t.drop(columns="time"), "has no column for the time"),
        (lambda t: "", "is damaged or not what its name says"),
        (lambda t: b"\x00\xff" * 100, "."),
        (lambda t: b"PK\x03\x04" + bytes(100), "."),
    ],
)
def test_a_bad_table_gets_one_sentence_and_the_page_goes_on(page, table, bad, sentence):
    upload(page, bad(table))
    (error,) = page.error
    said = re.sub(r"\\(.)", r"\1", error.value)
    assert sentence in said and said.endswith(".") and "\n" not in said
    assert not re.search(r"(?<!\\)[<>\[\]]", error.value), "nothing is left that could be HTML or a link"
    assert page.button(key="refine_run").disabled
    upload(page, table)
    assert not page.error and not page.button(key="refine_run").disabled


@pytest.mark.parametrize(
    "name", [f"{HTML}.csv", "../../etc/passwd.csv", "a" * 300 + ".csv", "..\\x.csv", ".csv", "x/..csv"]
)
def test_any_name_of_a_file(page, table, name):
    upload(page, table.drop(columns="bytes"), name)
    (error,) = page.error
    assert "etc" not in error.value and "<img" not in error.value.replace("\\<", "")
    assert "no column for the bytes" in error.value or "not a table" in error.value


def test_names_of_base_stations_are_shown_as_they_are(page, table):
    upload(page, table.assign(site=table.site.replace("BS 1", HTML))).button(key="refine_run").click().run()
    finish(page, "refine")
    assert HTML in page.selectbox(key="refine_one").options
    assert HTML not in words(page) and not any(HTML in html.body for html in page.html)
