"""The panels below the map: understand, what if, your own traffic, every file opened with its reader."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import rasterio
import xarray as xr
from actions import CELLS, PANELS, at_rest, choose, colours_of, draw_polygon, open_panel, slider, the_map, until, upload
from PIL import Image
from playwright.sync_api import Download, Locator, Page, expect

from zoomdiff.export.formats import FORMATS
from zoomdiff.levels import HOURS_PER_WEEK
from zoomdiff.week import human_bytes

OFFERED = [name for name, kind in FORMATS.items() if kind.mime]  # the others are folders
WEIGHTS = Path(__file__).parents[2] / "assets" / "zoomdiff-s4t4.safetensors"
UNDERSTAND = {  # its panels, and what is seen on each; "How sure" makes weeks first
    "The place": "People present, hour by hour",
    "Levels alike": "alike",
    "Trend and daily pattern": "Trend",
    "How sure": "Make 20 weeks",
    "Real cities": "too few to compare with a city",
}
NAMELESS = """() => {
  const named = (e) => e.getAttribute("aria-label") || e.title || e.labels?.[0]?.innerText.trim()
    || (e.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.innerText).join("")
    || (e.innerText ?? "").trim() || e.querySelector("img[alt]")?.alt;
  const controls = document.querySelectorAll("button, input, select, textarea, a[href], [role=button], [role=slider]");
  return [...controls].filter((e) => e.checkVisibility() && e.type !== "hidden" && !named(e)).map((e) => e.outerHTML);
}"""


def features(path: Path) -> float:
    table = gpd.read_file(path)
    assert table.crs.to_epsg() == 4326 and len(table) == CELLS[3]
    west, south, east, north = table.total_bounds
    assert 24.9 < west < east < 25.0 and 60.1 < south < north < 60.2
    whole = json.loads(path.read_bytes())
    weeks = [feature["properties"]["traffic"] for feature in whole["features"]]
    assert {len(one) for one in weeks} == {len(whole["time"])} == {HOURS_PER_WEEK}
    return sum(map(sum, weeks))


def dated_features(path: Path) -> None:
    table = gpd.read_file(path)
    assert len(table) == CELLS[3] * 24 and table.time.nunique() == 24 and table.traffic.sum() > 0


def rows(path: Path) -> float:
    table = gpd.read_parquet(path)
    assert len(table) == CELLS[3] and table.crs.to_epsg() == 4326
    return sum(map(sum, table.traffic))


def raster(path: Path) -> float:
    with xr.open_dataset(path, decode_coords="all") as file:
        assert file.traffic.sizes["time"] == HOURS_PER_WEEK and file.traffic.attrs["units"] == "byte"
        return float(file.traffic.sum())


def bands(path: Path) -> float:
    with rasterio.open(path) as file:
        assert file.count == HOURS_PER_WEEK and file.crs.is_projected
        return float(file.read(masked=True).sum())


def table(path: Path) -> float:
    read = pd.read_csv(path)
    assert len(read) == CELLS[3] * HOURS_PER_WEEK
    return read.traffic_bytes.sum()


def picture(path: Path) -> None:
    with Image.open(path) as image:
        assert min(image.size) > 400 and len(image.convert("RGB").getcolors(1_000_000)) > 100


def surroundings(path: Path) -> None:
    with xr.open_dataset(path) as file:
        assert {"population"} <= set(file.data_vars) and float(file.population.sum()) > 0


def recipe(path: Path) -> None:
    read = json.loads(path.read_bytes())
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() in path.read_text()
    assert read


READERS: dict[str, Callable[[Path], float | None]] = {  # what they return is the week's total
    "geojson": features,
    "geojson-long": dated_features,
    "parquet": rows,
    "netcdf": raster,
    "cog": bands,
    "csv": table,
    "png": picture,
    "uec": surroundings,
    "reproduce": recipe,
}


def download(page: Page, button: Locator) -> Download:
    """What the button downloads. The click is one event: between a press and a release the button may be replaced."""
    with at_rest(page).expect_download() as waiting:
        button.dispatch_event("click")
    return waiting.value


def test_every_file_has_its_reader():
    assert set(READERS) == set(OFFERED)


@pytest.mark.parametrize("name", OFFERED)
def test_every_file_opens_in_its_reader(week: Page, tmp_path, name: str):
    slider(week, "Zoom level").press("End")
    open_panel(week, "Download")
    choose(week, "download_file", FORMATS[name].title)
    button = week.locator(".st-key-download").get_by_role("button")
    expect(button).to_have_text(re.compile(re.escape(FORMATS[name].ending.lstrip("."))))
    at_rest(week)
    got = download(week, button)
    path = tmp_path / got.suggested_filename
    got.save_as(path)
    assert path.name.endswith(FORMATS[name].ending) and path.name.startswith("zoomdiff-")
    if total := READERS[name](path):
        expect(week.get_by_text(f"{human_bytes(total)} in the week")).to_be_visible()


@pytest.mark.parametrize(("name", "words"), UNDERSTAND.items())
def test_understand_has_its_panels(week: Page, name: str, words: str):
    open_panel(week, "Understand")
    week.locator(".st-key-understand").get_by_role("radio", name=name, exact=True).click()
    expect(week.get_by_text(words, exact=False).first).to_be_visible()
    at_rest(week)
    assert week.get_by_test_id("stException").count() == 0


def test_what_if_there_were_a_mall(week: Page):
    """Draw its ground on the map, add it, generate: a map of the difference, and totals."""
    open_panel(week, "What if")
    draw_polygon(week, (0.46, 0.42), (0.54, 0.42), (0.54, 0.58), (0.46, 0.58))
    expect(week.get_by_role("radio", name="Drawn on the map")).to_be_checked()
    week.get_by_role("button", name="Add the change").click()
    expect(week.get_by_text("New shopping mall: 40,000 m² of floor")).to_be_visible()
    week.get_by_role("button", name="Generate the changed week").click()
    expect(week.get_by_text("with the changes:", exact=False)).to_be_visible()
    sentence = week.get_by_text("with the changes:", exact=False).inner_text()
    assert re.search(r"with the changes: \+[\d.]+ [kMGT]B \(\+[\d.]+ %\)", sentence), "a mall adds traffic"
    for zone in ("inside the outline", "up to", "elsewhere"):
        expect(week.get_by_role("table").get_by_text(zone, exact=False).first).to_be_visible()
    canvas = week.get_by_test_id("stDeckGlJsonChart").locator("canvas").first
    canvas.scroll_into_view_if_needed()
    assert until(lambda: colours_of(canvas), lambda number: number > 50) > 50
    expect(week.locator(".st-key-whatif_curves .cartesianlayer .js-line")).to_have_count(2)


def test_own_traffic_is_refined_and_kept(week: Page, tmp_path):
    """The template is a file that can be refined."""
    open_panel(week, "Your own traffic")
    week.get_by_text("What the file holds, and a template").click()
    got = download(week, week.locator(".st-key-refine_template").get_by_role("button"))
    path = tmp_path / got.suggested_filename
    got.save_as(path)
    given = pd.read_csv(path)
    assert given.site.nunique() == CELLS[0]
    upload(week, "refine_traffic", path.name, path.read_bytes())
    expect(week.get_by_text("6 base stations or cells", exact=False)).to_be_visible()
    week.get_by_role("button", name="Refine to 50 m").click()
    total = human_bytes(given.bytes.sum())
    expect(week.get_by_text(f"Given {total}, refined {total} in the week: every step")).to_be_visible()
    for words in ("Given, spread evenly", "Refined to 50 m"):
        expect(week.get_by_text(words, exact=True).first).to_be_visible()
    expect(week.locator(".st-key-refine_curve .cartesianlayer .js-line")).to_have_count(3)


@pytest.mark.parametrize("panel", PANELS)
def test_every_control_has_a_name(week: Page, panel: str):
    """For those who hear the page; what Streamlit's own frame brings along is seen, too."""
    open_panel(week, panel)
    assert week.evaluate(NAMELESS) == []


def test_the_player_works_by_keyboard_alone(week: Page):
    """Tab reaches the sliders and Play from the map, and the one that has the focus is marked."""
    slider(week, "Zoom level").focus()
    week.keyboard.press("Tab")
    expect(week.get_by_role("button", name="Play")).to_be_focused()
    outline = week.get_by_role("button", name="Play").evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline == "solid"
    week.keyboard.press("Tab")
    week.keyboard.press("Tab")
    expect(slider(week, "Time")).to_be_focused()
    before = slider(week, "Time").get_attribute("aria-valuetext")
    week.keyboard.press("ArrowRight")
    expect(slider(week, "Time")).not_to_have_attribute("aria-valuetext", before)
    assert the_map(week).get_attribute("aria-label") == "Map"
