"""What a user does: open the app, draw a region, generate a week, zoom, play, click cells, share, download."""

import io
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from PIL import Image
from playwright.sync_api import Browser, Download, Locator, Page, TimeoutError, expect

from zoomdiff.region import Region

BUNDLE = Path(__file__).parents[2] / "app" / "static" / "zoommap.js"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not BUNDLE.exists(), reason="needs the map component: make map"),
]

PATIENCE = 60  # seconds for one thing to happen on a busy machine; usually it is well below one
LEGENDS = (
    "Traffic per base station and 1 day",
    "Traffic per cell and 4 h",
    "Traffic per 100 m square and 2 h",
    "Traffic per 50 m square and 1 h",
)
STAGE = re.compile(r"Stage \d of 4: .+, step \d+ of 150")
SNAP = """async ([ring, most]) => {
  const { snap } = await import(new URL("app/static/zoommap.js", document.baseURI));
  return snap(ring, most);
}"""
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


@pytest.fixture(autouse=True)
def nobody_complains(complaints: list[str]) -> Iterator[None]:
    yield
    assert complaints == []


@pytest.fixture(scope="module")
def week(page: Page) -> Page:
    """The app with a week of traffic of the preset region."""
    choose_region(page, "Preset")
    expect(page.get_by_text("in 6 blocks of 400 m")).to_be_visible()
    return generate(page)


def test_the_map_is_there_before_anything_is_generated(page: Page):
    colours = until(lambda: len(set(map(bytes, pixels(the_map(page))[::7]))), lambda number: number > 50)
    assert colours > 50  # roads, houses, water, green, and the blocks


@pytest.fixture
def large(page: Page) -> Iterator[Page]:
    """A region that keeps the model busy for some seconds, so that there is something to watch and to cancel."""
    choose(page, "preset", "Whole map")
    yield page
    choose(page, "preset", "Helsinki centre")


def test_cancel_stops_the_work(large: Page):
    page = large
    choose(page, "steps", "Full")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text(STAGE)).to_be_visible()
    page.get_by_role("button", name="Cancel").dispatch_event("click")  # it moves while the page fills up
    expect(page.get_by_text("for a week of traffic")).to_be_visible()
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    choose(page, "steps", "Fast")


def test_every_level_is_shown_while_it_comes(large: Page):
    """The row of four fills up and the map follows; the last level may be there only as part of the result."""
    page = large
    page.get_by_role("button", name="Generate").click()
    filled, legends = [], []

    def look() -> bool:
        count = page.locator(".levels").first.locator("img").count()
        if not filled or count != filled[-1]:
            filled.append(count)
        legend = page.locator(".zd-legend").first
        if legend.is_visible() and (words := legend.locator("div").first.inner_text()) not in legends:
            legends.append(words)
        return page.get_by_text("in the week", exact=False).count() > 0

    until(look, bool)
    expect(page.locator(".levels img")).to_have_count(4)
    assert filled == sorted(filled) and len(set(filled)) >= 3
    assert legends[:3] == list(LEGENDS[:3])
    for words in ("1 day · base station", "4 h · cell", "2 h · 100 m grid", "1 h · 50 m grid"):
        expect(page.locator(".levels figcaption").filter(has_text=words)).to_be_visible()


def test_a_rectangle_drawn_by_mouse_becomes_the_region(page: Page):
    """What the preview tells while drawing is what Python makes of it."""
    choose_region(page, "Draw")
    page.get_by_role("button", name="Draw a rectangle").click()
    press(page, 0.6, 0.25)
    hold(page, 0.8, 0.6)
    info = page.locator(".zd-info")
    expect(info).to_contain_text("base station")
    told = info.inner_text()
    press(page, 0.8, 0.6)
    expect(page.get_by_text("one base station each")).to_be_visible()
    km2, stations = re.match(r"([\d.]+) km² · (\d+) base station", told).groups()
    expect(page.get_by_text(f"{km2} km² in {stations} blocks")).to_be_visible()
    assert int(stations) * 0.16 == pytest.approx(float(km2))
    assert f"{64 * int(stations)} of 50 m" in told


def test_the_drawn_region_can_be_edited_and_removed(page: Page):
    before = page.get_by_text("one base station each").inner_text()
    page.locator(".leaflet-pm-icon-edit").click()
    corner = page.locator(".leaflet-marker-pane .marker-icon:not(.marker-icon-middle)").first.bounding_box()
    page.mouse.move(corner["x"] + 6, corner["y"] + 6)
    page.mouse.down()
    hold(page, 0.1, 0.95)
    page.mouse.up()
    expect(page.get_by_text("one base station each")).not_to_have_text(before)
    page.locator(".leaflet-pm-icon-edit").click()
    page.locator(".leaflet-pm-icon-delete").click()
    page.locator(".zd-map path.leaflet-interactive").click()
    expect(page.get_by_text("Draw a region on the map.")).to_be_visible()
    page.locator(".leaflet-pm-icon-delete").click()
    expect(page.get_by_role("button", name="Generate")).to_be_disabled()


def test_too_large_is_told_while_drawing(page: Page):
    page.locator(".leaflet-pm-icon-rectangle").click()
    box = the_map(page).bounding_box()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"])
    for _ in range(12):
        page.mouse.wheel(0, 400)
        page.wait_for_timeout(120)
    press(page, 0.55, 0.3)
    hold(page, 0.9, 0.8)
    expect(page.locator(".zd-info")).to_contain_text("Too large")
    expect(page.locator(".zd-info")).to_contain_text("150 km²")
    page.keyboard.press("Escape")
    page.locator(".leaflet-pm-action", has_text="Cancel").locator("visible=true").click()


def test_a_polygon_drawn_by_mouse_gets_its_week(page: Page):
    page.get_by_role("button", name="Show the whole region").click()
    page.get_by_role("button", name="Draw a polygon").click()
    for x, y in ((0.5, 0.3), (0.66, 0.35), (0.6, 0.6), (0.5, 0.3)):
        press(page, x, y)
    expect(page.get_by_text("one base station each")).to_be_visible()
    generate(page)
    expect(page.locator(".zd-legend")).to_contain_text(LEGENDS[3])
    assert "bbox" not in page.url, "a polygon that is no box does not fit into an address"


def test_the_zoom_slider_repaints_the_map(week: Page):
    seen = []
    for k in (3, 2, 1, 0):
        expect(week.locator(".zd-legend")).to_contain_text(LEGENDS[k])
        expect(week.get_by_text(f"· {CELLS[k]} cells of").first).to_be_visible()
        seen.append(settled(the_map(week), unlike=seen))
        if k:
            slider(week, "Zoom level").press("ArrowLeft")
    assert len(seen) == 4


def test_the_time_slider_repaints_the_map_and_tells_the_time(week: Page):
    time_slider = slider(week, "Time")
    before = settled(the_map(week))
    time_slider.press("Home")
    expect(time_slider).to_have_attribute("aria-valuetext", "Mon")
    time_slider.press("End")
    expect(time_slider).to_have_attribute("aria-valuetext", "Sun")
    sunday = settled(the_map(week), unlike=[before])
    assert len(sunday) == len(before)
    expect(week.get_by_text(re.compile(r"in the week · Sun "))).to_be_visible()


def test_the_player_plays_without_python_and_tells_where_it_stopped(week: Page):
    slider(week, "Zoom level").press("End")
    slider(week, "Time").press("Home")
    expect(week.get_by_text(re.compile(r"in the week · Mon 00:00-01:00 "))).to_be_visible()
    week.get_by_label("Speed").select_option("16")
    week.get_by_role("button", name="Play").press("Enter")
    steps = until(lambda: int(week.locator(".zd").get_attribute("data-step")), lambda step: step > 20)
    expect(week.get_by_text(re.compile(r"in the week · Mon 00:00-01:00 "))).to_be_visible()
    week.get_by_role("button", name="Pause").press("Enter")
    stopped = slider(week, "Time").get_attribute("aria-valuetext").replace("–", "-")
    assert steps > 20
    expect(week.get_by_text(re.compile(rf"in the week · {stopped} "))).to_be_visible()


def test_clicks_on_the_map_change_the_chart(week: Page):
    slider(week, "Zoom level").press("End")
    expect(week.get_by_text("Week of the busiest 50 m square").first).to_be_visible()
    seen = [curves(week)]
    for x, y in ((0.42, 0.25), (0.58, 0.75)):  # in two blocks
        press(week, x, y)
        until(lambda: curves(week), lambda now: len(now) == 4 and now not in seen)
        expect(week.get_by_text("Week of the clicked 50 m square").first).to_be_visible()
        seen.append(curves(week))
    week.keyboard.down("Shift")
    press(week, 0.5, 0.5)
    week.keyboard.up("Shift")
    expect(week.get_by_text("Weeks of 2 clicked 50 m squares").first).to_be_visible()
    until(lambda: curves(week), lambda now: len(now) == 2)


def test_the_tooltip_tells_traffic_people_and_ground(week: Page):
    hold(week, 0.5, 0.55)
    tip = week.locator(".zd-map .leaflet-tooltip")
    expect(tip).to_contain_text("per 50 m square")
    expect(tip).to_contain_text("people present")
    expect(tip).to_contain_text("ground:")


def test_online_tiles_are_asked_for_only_when_switched_on(week: Page, complaints: list[str]):
    """OpenStreetMap's answer is made up here; its addresses are the only foreign ones."""
    pixel = io.BytesIO()
    Image.new("RGB", (256, 256), "#00aa00").save(pixel, "PNG")
    week.route("https://tile.openstreetmap.org/**", lambda route: route.fulfill(body=pixel.getvalue()))
    switch = week.get_by_label("Online map tiles")
    credit = week.locator(".leaflet-control-attribution")
    assert not switch.is_checked() and "© OpenStreetMap contributors" not in credit.inner_text()
    switch.check()
    expect(credit).to_contain_text("© OpenStreetMap contributors")
    expect(week.locator(".zd-tiles.leaflet-tile-loaded, .zd-tiles .leaflet-tile-loaded").first).to_be_visible()
    switch.uncheck()
    expect(week.locator(".zd-tiles")).to_have_count(0)
    asked = {url.split("/")[2] for url in complaints}
    assert asked == {"tile.openstreetmap.org"}
    complaints.clear()


def test_columns_in_3d_and_back(week: Page):
    views = week.locator(".st-key-view")
    views.get_by_text("3D").click()
    canvas = week.get_by_test_id("stDeckGlJsonChart").locator("canvas").first
    until(lambda: len(set(map(bytes, pixels(canvas)[::7]))), lambda number: number > 50)
    expect(week.locator(".st-key-step_3")).to_be_visible()
    views.get_by_text("2D").click()
    expect(week.locator(".zd-legend")).to_contain_text(LEGENDS[3])


def test_a_shared_link_shows_the_same(week: Page, browser: Browser, complaints: list[str]):
    slider(week, "Zoom level").press("Home")
    slider(week, "Zoom level").press("ArrowRight")
    slider(week, "Time").press("Home")
    for _ in range(3):
        slider(week, "Time").press("ArrowRight")
    expect(week.get_by_text(re.compile(r"in the week · Mon 12:00-16:00 "))).to_be_visible()
    until(lambda: week.url, lambda url: "level=1" in url and "t=12" in url)
    other = browser.new_page(viewport={"width": 1440, "height": 900})
    other.on("pageerror", lambda error: complaints.append(f"page error: {error}"))
    other.goto(week.url)
    expect(other.get_by_text("in the week", exact=False).first).to_be_visible()
    expect(other.locator(".zd-legend")).to_contain_text(LEGENDS[1])
    expect(slider(other, "Time")).to_have_attribute("aria-valuetext", "Mon 12:00–16:00")
    mine, theirs = (page.get_by_text("in the week", exact=False).first.inner_text() for page in (week, other))
    other.close()
    assert theirs == mine


def test_the_screen_needs_no_scrolling(week: Page):
    week.reload()  # scrolled to the top
    expect(week.locator(".js-plotly-plot .cartesianlayer .js-line").first).to_be_visible()
    for part in (the_map(week), week.locator(".zd-legend"), slider(week, "Zoom level"), slider(week, "Time")):
        box = part.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 900
    box = week.locator(".js-plotly-plot").bounding_box()
    assert box["y"] + box["height"] <= 900


def test_blocks_in_the_browser_are_those_of_python(page: Page):
    rng = np.random.default_rng(0)
    for _ in range(60):
        lon, lat = rng.uniform(-179, 179), rng.uniform(-79, 79)
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
        reach = rng.uniform(0.3, 1, len(angles)) * rng.uniform(0.002, 0.03)
        ring = np.stack([lon + reach * np.cos(angles) / np.cos(np.radians(lat)), lat + reach * np.sin(angles)], -1)
        polygon = shapely.Polygon(ring)
        if not polygon.is_valid:
            continue
        region = Region.from_polygon(polygon)
        told = page.evaluate(SNAP, [ring.tolist(), 1e6])
        rows, cols = np.nonzero(region.blocks)
        assert told["epsg"] == region.epsg
        assert sorted(told["blocks"]) == sorted(
            [int(r) + region.row, int(c) + region.col] for r, c in zip(rows, cols, strict=True)
        )
        assert told["km2"] == pytest.approx(region.km2)


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


def generate(page: Page) -> Page:
    """Press Generate and wait for the week, its curves and its map."""
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("in the week", exact=False).first).to_be_visible()
    expect(page.locator(".js-plotly-plot .cartesianlayer .js-line")).to_have_count(4)
    expect(page.locator(".zd-legend")).to_be_visible()
    return page


def choose_region(page: Page, kind: str) -> None:
    page.locator(".st-key-kind").get_by_text(kind, exact=True).click()
    tools = page.locator(".leaflet-pm-icon-rectangle")
    expect(tools).to_have_count(int(kind == "Draw"))
    expect(page.locator("[data-stale=true]")).to_have_count(0)


def slider(page: Page, label: str) -> Locator:
    return page.locator(".zd").get_by_role("slider", name=label, exact=True)


def hold(page: Page, x: float, y: float) -> None:
    """Move the mouse to a place of the map (shares of its width and height)."""
    box = the_map(page).bounding_box()
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)


def press(page: Page, x: float, y: float) -> None:
    """Click on a place of the map."""
    hold(page, x, y)
    page.mouse.down()
    page.mouse.up()
    page.wait_for_timeout(100)  # two fast clicks would be a double click


def choose(page: Page, key: str, option: str) -> None:
    """Take an option of a select box."""
    page.locator(f".st-key-{key}").get_by_role("combobox").click()
    page.get_by_role("option", name=option).click()


def the_map(page: Page) -> Locator:
    return page.locator(".zd-map")


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
