"""The pictures of the README, made by the app itself: `python docs/make_pictures.py` (needs chromium, takes minutes).

Writes week.webp, whatif.webp, city.webp and player.webp (24 hours of one day, animated) into this folder.
"""

import io
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))
from benchmarks.perf.browser import app, chromium, opened  # noqa: E402

sys.path.append(str(DOCS.parent / "tests" / "e2e"))
from actions import DESK, at_rest, colours_of, draw_polygon, open_panel, slider, until  # noqa: E402

HELSINKI = "?map=helsinki&bbox=24.9386,60.1656,24.9518,60.1755&seed=0&level=3&t=66"  # Wednesday, 18 h
CITY = "?map=town7&bbox=8.9812,45.1402,9.0188,45.1668&seed=0&level=3&t=66"  # 3 x 3 km of the fictional city
DAY = 2  # the player's: Wednesday
FRAME_MS = 250
QUALITY = 82


def main() -> None:
    with app() as server, sync_playwright() as playwright:
        browser = chromium(playwright)
        with (
            browser.new_context(viewport=DESK) as light,
            browser.new_context(viewport=DESK, color_scheme="dark") as dark,
        ):
            helsinki = opened(light.new_page(), server.address + HELSINKI)
            save(helsinki, "week")
            player(helsinki)
            what_if(helsinki)
            save(opened(dark.new_page(), server.address + CITY), "city")
        browser.close()


def save(page: Page, name: str) -> None:
    time.sleep(1)  # charts fade in
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(DOCS / f"{name}.webp", quality=QUALITY, method=6)


def player(page: Page) -> None:
    """The hours of a day on the map and its sliders, one frame each."""
    box, bar = page.locator(".zd-map").bounding_box(), page.locator(".zd-bar").bounding_box()
    clip = {"x": box["x"], "y": box["y"], "width": box["width"], "height": bar["y"] + bar["height"] - box["y"]}
    page.mouse.move(2, 2)
    time_slider = slider(page, "Time")
    time_slider.evaluate("(e, hour) => { e.value = hour; e.dispatchEvent(new Event('input')); }", 24 * DAY)
    frames = []
    for _ in range(24):
        time.sleep(0.2)
        with Image.open(io.BytesIO(page.screenshot(clip=clip))) as frame:
            frames.append(frame.convert("RGB"))
        time_slider.evaluate("e => { e.value = Number(e.value) + 1; e.dispatchEvent(new Event('input')); }")
    first, *others = frames
    options = {"save_all": True, "append_images": others, "duration": FRAME_MS, "loop": 0}
    first.save(DOCS / "player.webp", quality=QUALITY, method=4, **options)


def what_if(page: Page) -> None:
    """A mall, drawn on the map."""
    open_panel(page, "What if")
    draw_polygon(page, (0.46, 0.42), (0.54, 0.42), (0.54, 0.58), (0.46, 0.58))
    expect(page.get_by_role("radio", name="Drawn on the map")).to_be_checked()
    page.get_by_role("button", name="Add the change").click()
    at_rest(page)
    page.get_by_role("button", name="Generate the changed week").click()
    expect(page.get_by_text("with the changes:", exact=False)).to_be_visible()
    at_rest(page)
    page.locator(".st-key-panel").evaluate("e => e.scrollIntoView()")
    canvas = page.get_by_test_id("stDeckGlJsonChart").locator("canvas").first
    until(lambda: colours_of(canvas), lambda number: number > 50)
    save(page, "whatif")


if __name__ == "__main__":
    main()
