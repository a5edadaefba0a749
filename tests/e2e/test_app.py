"""What a user does: open the app, generate a week, zoom, click a cell, download."""

import io
import json
import re
import time
from collections.abc import Callable, Iterator

import geopandas as gpd
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Download, Locator, Page, TimeoutError, expect

pytestmark = pytest.mark.e2e

PATIENCE = 60  # seconds for one thing to happen on a busy machine; usually it is well below one
LEGENDS = (
    "Traffic per base station and 1 day",
    "Traffic per cell and 4 h",
    "Traffic per 100 m square and 2 h",
    "Traffic per 50 m square and 1 h",
)
STAGE = re.compile(r"Stage \d of 4: .+, step \d+ of 150")
CELLS = 6, 24, 96, 384  # of the six blocks of the embedded region


@pytest.fixture(scope="module")
def complaints() -> list[str]:
    """Errors in the browser, and requests to anybody but the app."""
    return []


@pytest.fixture(scope="module")
def page(browser: Browser, server: str, complaints: list[str]) -> Iterator[Page]:
    """The app at a desk's size, open."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page.set_default_timeout(1000 * PATIENCE)
    expect.set_options(timeout=1000 * PATIENCE)
    page.on("pageerror", lambda error: complaints.append(f"page error: {error}"))
    page.on("console", lambda said: complaints.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("request", lambda request: complaints.append(request.url) if _foreign(request.url, server) else None)
    page.goto(server)
    expect(page.get_by_text("in 6 blocks of 400 m")).to_be_visible()
    yield page
    page.close()


@pytest.fixture(scope="module")
def week(page: Page) -> Page:
    """The app with a week of traffic."""
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("in the week", exact=False).first).to_be_visible()
    expect(page.locator(".js-plotly-plot .cartesianlayer .js-line")).to_have_count(4)
    expect(page.get_by_test_id("stDeckGlJsonChart")).to_have_count(1)
    return page


@pytest.fixture(autouse=True)
def nobody_complains(complaints: list[str]) -> Iterator[None]:
    yield
    assert complaints == []


def test_the_map_is_there_before_anything_is_generated(page: Page):
    colours = until(lambda: len(set(map(bytes, pixels(the_map(page))[::7]))), lambda number: number > 50)
    assert colours > 50  # roads, houses, water, green, and the blocks


@pytest.fixture
def slow(page: Page) -> Iterator[Page]:
    """Settings that keep the model busy for some seconds, so that there is something to watch and to cancel."""
    choose(page, "preset", "Whole map")
    choose(page, "steps", "Full")
    yield page
    choose(page, "preset", "Helsinki centre")
    choose(page, "steps", "Fast")


def test_cancel_stops_the_work(slow: Page):
    page = slow
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text(STAGE)).to_be_visible()
    page.get_by_role("button", name="Cancel").dispatch_event("click")  # it moves while the page fills up
    expect(page.get_by_text("for a week of traffic")).to_be_visible()
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()


def test_every_level_is_shown_while_it_comes(slow: Page):
    """The row of four fills up; the last one may be there only as part of the result."""
    page = slow
    page.get_by_role("button", name="Generate").click()
    filled = []

    def look() -> bool:
        count = page.locator(".levels").first.locator("img").count()
        if not filled or count != filled[-1]:
            filled.append(count)
        return page.get_by_text("in the week", exact=False).count() > 0

    until(look, bool)
    expect(page.locator(".levels img")).to_have_count(4)
    assert filled == sorted(filled) and len(set(filled)) >= 3
    for words in ("1 day · base station", "4 h · cell", "2 h · 100 m grid", "1 h · 50 m grid"):
        expect(page.locator(".levels figcaption").filter(has_text=words)).to_be_visible()


def test_the_zoom_slider_repaints_the_map(week: Page):
    seen = []
    for k in (3, 2, 1, 0):
        expect(week.get_by_text(LEGENDS[k]).first).to_be_visible()
        expect(week.get_by_text(f"· {CELLS[k]} cells of").first).to_be_visible()
        seen.append(settled(the_map(week), unlike=seen))
        if k:
            week.locator(".st-key-zoom").get_by_role("slider").press("ArrowLeft")
    assert len(seen) == 4


def test_the_time_slider_repaints_the_map_and_tells_the_time(week: Page):
    slider = week.locator(".st-key-step_0")
    before = settled(the_map(week))
    slider.get_by_role("slider").press("Home")
    expect(slider.get_by_test_id("stSliderThumbValue")).to_have_text("Mon")
    slider.get_by_role("slider").press("End")
    expect(slider.get_by_test_id("stSliderThumbValue")).to_have_text("Sun")
    sunday = settled(the_map(week), unlike=[before])
    assert len(sunday) == len(before)


def test_a_click_on_the_map_changes_the_chart(week: Page):
    week.locator(".st-key-zoom").get_by_role("slider").press("End")
    expect(week.get_by_text("Week of the busiest 50 m square").first).to_be_visible()
    settled(the_map(week))
    seen = [curves(week)]
    for x, y in ((0.42, 0.25), (0.58, 0.75)):  # in two blocks
        click_until(week, x, y, lambda: len(curves(week)) == 4 and curves(week) not in seen)
        expect(week.get_by_text("Week of the clicked 50 m square").first).to_be_visible()
        seen.append(curves(week))
    assert len(seen) == 3


def download(page: Page, name: str) -> Download:
    """What the button of a level downloads. On a busy machine a click was once lost: then it is pressed again."""
    for attempt in range(3):
        try:
            with page.expect_download(timeout=20_000) as waiting:
                page.locator(f".st-key-geojson_{name}").get_by_role("button").click()
            return waiting.value
        except TimeoutError:
            if attempt == 2:
                raise
    raise AssertionError("unreachable")


@pytest.mark.parametrize(("k", "name"), list(enumerate(("bs", "cell", "grid100", "grid50"))))
def test_downloads_are_valid_geojson(week: Page, tmp_path, k: int, name: str):
    got = download(week, name)
    assert got.suggested_filename == f"zoomdiff-{name}.geojson"
    path = tmp_path / "level.geojson"
    got.save_as(path)
    table = gpd.read_file(path)
    assert table.crs.to_epsg() == 4326 and len(table) == CELLS[k]
    west, south, east, north = table.total_bounds
    assert 24.9 < west < east < 25.0 and 60.1 < south < north < 60.2
    whole = json.loads(path.read_bytes())
    assert len(whole["time"]) == len(whole["features"][0]["properties"]["traffic"])
    assert sum(sum(feature["properties"]["traffic"]) for feature in whole["features"]) > 0


def test_it_can_be_used_on_a_phone(week: Page):
    week.set_viewport_size({"width": 390, "height": 844})
    expect(the_map(week)).to_be_visible()
    main = week.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth <= element.clientWidth")
    week.set_viewport_size({"width": 1440, "height": 900})


def click_until(page: Page, x: float, y: float, done: Callable[[], bool]) -> None:
    """Click on a place of the map (shares of its width and height) until it has the effect.

    A slow browser takes the press and the release for a drag. Two clicks on one cell choose and unchoose it.
    """
    end = time.monotonic() + PATIENCE
    while True:
        box = the_map(page).bounding_box()
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        wait = time.monotonic() + 6
        while time.monotonic() < wait:
            if done():
                return
            time.sleep(0.1)
        assert time.monotonic() < end, "the click had no effect"


def choose(page: Page, key: str, option: str) -> None:
    """Take an option of a select box."""
    page.locator(f".st-key-{key}").get_by_role("combobox").click()
    page.get_by_role("option", name=option).click()


def the_map(page: Page) -> Locator:
    return page.get_by_test_id("stDeckGlJsonChart").locator("canvas").first


def curves(page: Page) -> list[str]:
    """The four staircases as they are drawn."""
    lines = page.locator(".js-plotly-plot .cartesianlayer .js-line")
    return lines.evaluate_all("lines => lines.map(line => line.getAttribute('d'))")


def pixels(element: Locator) -> np.ndarray:
    """(pixels, 3) of what the element shows; none while it is being replaced."""
    box = element.bounding_box()
    if box is None:
        return np.zeros((0, 3), np.uint8)
    picture = Image.open(io.BytesIO(element.page.screenshot(clip=box)))
    return np.asarray(picture.convert("RGB")).reshape(-1, 3)


def settled(element: Locator, *, unlike: list[np.ndarray] = ()) -> np.ndarray:
    """What the element shows once it keeps still and differs from all before, by more than a mark's frame."""

    def twice() -> tuple[np.ndarray, np.ndarray]:
        return pixels(element), pixels(element)

    def fresh(pair: tuple[np.ndarray, np.ndarray]) -> bool:
        one, two = pair
        still = len(two) > 0 and np.array_equal(one, two)
        return still and all(len(two) != len(old) or (two != old).any(1).mean() > 0.01 for old in unlike)

    return until(twice, fresh)[1]


def until(look: Callable, fine: Callable[[object], bool]):
    """What `look` returns as soon as it is `fine`."""
    end = time.monotonic() + PATIENCE
    while not fine(seen := look()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return seen


def _foreign(url: str, server: str) -> bool:
    own = (server, server.replace("http", "ws"), "data:", "blob:")
    return not url.startswith(own)
