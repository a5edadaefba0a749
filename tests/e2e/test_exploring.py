"""A week: its levels come, zoom, play, click, look from the side, share."""

import io
import re
from collections.abc import Iterator

import pytest
from actions import (
    CELLS,
    DESK,
    LEGENDS,
    PATIENCE,
    PHONE,
    at_rest,
    choose_helsinki,
    choose_large,
    colours_of,
    curves,
    hold,
    lines,
    pixels,
    press,
    settled,
    slider,
    the_map,
    until,
    week_is_there,
)
from PIL import Image
from playwright.sync_api import Page, expect

RECORD = """legend => {  // all that the map's legend and the row of levels show from now on
  window.legends = [];
  window.filled = [];
  const add = (list, value) => value && list.at(-1) !== value && list.push(value);
  new MutationObserver(() => add(legends, legend.hidden ? "" : legend.firstChild?.textContent))
    .observe(legend, { childList: true, attributes: true });
  new MutationObserver(() => add(filled, document.querySelectorAll(".levels img").length))
    .observe(document.body, { childList: true, subtree: true });
}"""


@pytest.fixture
def large(page: Page) -> Iterator[Page]:
    yield choose_large(page)
    choose_helsinki(page)


def test_every_level_is_shown_while_it_comes(large: Page):
    """The row of four fills up and the map follows; the last level may be there only as part of the result."""
    page = large
    page.locator(".zd-legend").evaluate(RECORD)
    page.get_by_role("button", name="Generate", exact=True).click()
    week_is_there(page)
    legends, filled = page.evaluate("[legends, filled]")
    assert legends[:3] == list(LEGENDS[:3])
    filled = [pictures for pictures in filled if pictures <= 4]  # on a busy machine the old row stays for a moment
    filled = filled[: filled.index(4) + 1]
    assert filled == sorted(filled) and len(filled) >= 3
    expect(page.locator(".levels img")).to_have_count(4)
    for words in ("1 day · base station", "4 h · cell", "2 h · 100 m grid", "1 h · 50 m grid"):
        expect(page.locator(".levels figcaption").filter(has_text=words)).to_be_visible()


def test_the_zoom_slider_repaints_the_map(week: Page):
    seen = []
    for k in (3, 2, 1, 0):
        expect(week.locator(".zd-legend")).to_contain_text(LEGENDS[k])
        expect(week.get_by_text(f"· {CELLS[k]} cells of").first).to_be_visible()
        seen.append(settled(the_map(week), unlike=seen))
        if k:
            slider(week, "Zoom level").press("ArrowLeft")
    assert len(seen) == 4


def test_the_time_slider_repaints_the_map_and_shows_the_time(week: Page):
    time_slider = slider(week, "Time")
    before = settled(the_map(week))
    time_slider.press("Home")
    expect(time_slider).to_have_attribute("aria-valuetext", "Mon")
    time_slider.press("End")
    expect(time_slider).to_have_attribute("aria-valuetext", "Sun")
    sunday = settled(the_map(week), unlike=[before])
    assert len(sunday) == len(before)
    expect(week.get_by_text(re.compile(r"in the week · Sun "))).to_be_visible()


def test_the_player_plays_without_python_and_reports_where_it_stopped(week: Page):
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
    week.get_by_text("At all levels", exact=True).click()
    until(lambda: curves(week), lambda now: len(now) == 8)
    week.locator(".st-key-curves").get_by_text("Average day", exact=True).click()
    expect(week.get_by_text("Average workdays of 2 clicked 50 m squares").first).to_be_visible()
    until(lambda: curves(week), lambda now: len(now) == 2)
    press(week, 0.5, 0.5)
    expect(week.get_by_text("Average workday of the clicked 50 m square").first).to_be_visible()
    until(lambda: curves(week), lambda now: len(now) == 5)
    week.locator(".st-key-curves").get_by_text("Week", exact=True).click()
    until(lambda: curves(week), lambda now: len(now) == 4)


def test_a_level_comes_out_of_its_noise(week: Page):
    """Any of its steps is shown on the map, in its colours, and time and tooltip work on it."""
    slider(week, "Zoom level").press("End")
    finished = settled(the_map(week))
    week.get_by_role("button", name="See it come out of the noise").click()
    steps = week.locator(".st-key-denoising").get_by_role("slider")
    expect(week.get_by_text("149 of 150 steps to go").first).to_be_visible()
    at_rest(week)
    noise = settled(the_map(week), unlike=[finished])
    expect(week.locator(".zd-legend")).to_contain_text(LEGENDS[3])
    for _ in range(5):
        steps.press("PageUp")  # a tenth of the steps
    expect(week.get_by_text("74 of 150 steps to go").first).to_be_visible()
    at_rest(week)
    settled(the_map(week), unlike=[finished, noise])
    steps.press("End")
    expect(week.locator(".st-key-denoising").get_by_text("finished").first).to_be_visible()
    at_rest(week)
    until(lambda: pixels(the_map(week)), lambda now: len(now) == len(finished) and (now != finished).mean() < 0.001)
    slider(week, "Zoom level").press("ArrowLeft")
    expect(week.get_by_role("button", name="See it come out of the noise")).to_be_visible()
    slider(week, "Zoom level").press("End")


def test_the_tooltip_shows_traffic_people_and_ground(week: Page):
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
    week.unroute("https://tile.openstreetmap.org/**")  # a page with routes caches nothing
    asked = {url.split("/")[2] for url in complaints}
    assert asked == {"tile.openstreetmap.org"}
    complaints.clear()


def test_columns_in_3d_and_back(week: Page):
    views = week.locator(".st-key-view")
    views.get_by_text("3D").click()
    canvas = week.get_by_test_id("stDeckGlJsonChart").locator("canvas").first
    until(lambda: colours_of(canvas), lambda number: number > 50)
    expect(week.locator(".st-key-step_3")).to_be_visible()
    views.get_by_text("2D").click()
    expect(week.locator(".zd-legend")).to_contain_text(LEGENDS[3])


def test_a_shared_link_shows_the_same(week: Page, complaints: list[str]):
    slider(week, "Zoom level").press("Home")
    expect(week.locator(".zd-legend")).to_contain_text(LEGENDS[0])
    slider(week, "Zoom level").press("ArrowRight")
    expect(week.locator(".zd-legend")).to_contain_text(LEGENDS[1])
    slider(week, "Time").press("Home")
    for hour in (0, 4, 8, 12):
        expect(slider(week, "Time")).to_have_attribute("aria-valuetext", f"Mon {hour:02}:00–{hour + 4:02}:00")
        if hour < 12:
            slider(week, "Time").press("ArrowRight")
    expect(week.get_by_text(re.compile(r"in the week · Mon 12:00-16:00 "))).to_be_visible()
    expect(week).to_have_url(re.compile(r"map=helsinki.*&level=1&t=12$"))
    other = week.context.new_page()
    other.set_default_timeout(1000 * PATIENCE)
    other.on("pageerror", lambda error: complaints.append(f"page error: {error}"))
    other.goto(week.url)  # its token brings the week: nothing is made
    expect(other.get_by_text("in the week", exact=False).first).to_be_visible()
    expect(other.locator(".zd-legend")).to_contain_text(LEGENDS[1])
    expect(slider(other, "Time")).to_have_attribute("aria-valuetext", "Mon 12:00–16:00")
    mine, theirs = (page.get_by_text("in the week", exact=False).first.inner_text() for page in (week, other))
    other.close()
    assert theirs == mine


def test_the_screen_needs_no_scrolling(week: Page):
    week.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")
    expect(lines(week).first).to_be_visible()
    for part in (the_map(week), week.locator(".zd-legend"), slider(week, "Zoom level"), slider(week, "Time")):
        box = part.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 900
    box = week.locator(".st-key-curve").bounding_box()
    assert box["y"] + box["height"] <= 900


def test_it_can_be_used_on_a_phone(week: Page):
    week.set_viewport_size(PHONE)
    expect(the_map(week)).to_be_visible()
    main = week.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth <= element.clientWidth")
    week.set_viewport_size(DESK)
