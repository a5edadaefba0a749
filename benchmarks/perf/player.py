"""How fast does the map component play a week, and how fast does it change level?

    python -m benchmarks player [--squares 100000] [--seconds 6] [--speed 16]

Needs the built component (`make map`) and chromium, which paints in software, as on a machine without a graphics card.
A page of 1440 x 900 holds the component and random traffic of a square region, nothing else; it gets what
app/zoommap.py sends. Prints the painted frames per second (the browser's own, 60 at most; speed 16 shows 32 steps a
second), the milliseconds to paint one hour, and the longest from the zoom slider to the painted map.
"""

import argparse
import base64
import io
import json
import math
import shutil

import numpy as np
from PIL import Image
from playwright.sync_api import Page, Route, sync_playwright
from zoomdiff.app import zoommap
from zoomdiff.app.basemap import Frame

from zoomdiff.levels import HOURS_PER_WEEK, S4T4
from zoomdiff.region import Region

CORNER = 6600, 940  # a block in zone 32: in Tuscany
EPSG = 32632
SOFTWARE = ["--no-sandbox", "--disable-gpu"]
PAGE = '<body style="margin:8px"><div id="map" style="width:700px"></div>'
START = """async (data) => {
  window.bundle = await import("http://bench/zoommap.js");
  window.element = document.getElementById("map");
  window.bundle.default({ data, key: "bench", parentElement: window.element, setStateValue() {} });
}"""
SEND = """(text) => {
  const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  window.bundle.receiveFeed({ data });
}"""
PLAY = """(seconds) => new Promise((done) => {
  const zd = document.querySelector(".zd");
  const steps = new Set();
  let frames = 0;
  const from = performance.now();
  const frame = (now) => {
    frames += 1;
    steps.add(zd.dataset.step);
    if (now - from < 1000 * seconds) requestAnimationFrame(frame);
    else done([frames / (now - from) * 1000, steps.size]);
  };
  requestAnimationFrame(frame);
})"""
MOVE = """(slider, values) => {  // [ms of script, ms until the frame after it is painted] of each move
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return values.reduce(async (before, value) => {
    const times = await before;
    const from = performance.now();
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
    const script = performance.now() - from;
    await painted();
    return [...times, [script, performance.now() - from]];
  }, Promise.resolve([]));
}"""


def region_of(squares: int) -> Region:
    """A square region of about so many 50 m squares."""
    side = round(math.sqrt(squares) / S4T4.block)
    return Region.of_blocks(EPSG, *CORNER, np.ones((side, side), bool))


def week_of(region: Region) -> list[zoommap.Sheet]:
    rng = np.random.default_rng(0)
    finest = rng.gamma(0.6, 1e6, (HOURS_PER_WEEK, *region.shape)).astype(np.float32)
    return [zoommap.sheet(volumes) for volumes in S4T4.pyramid(finest)]


def open_page(page: Page, region: Region, sheets: list[zoommap.Sheet]) -> None:
    """Mount the component with all that Python would send."""

    def answer(route: Route) -> None:
        script = route.request.url.endswith(".js")
        body = zoommap.BUNDLE.read_text() if script else PAGE
        route.fulfill(body=body, content_type="text/javascript" if script else "text/html")

    page.route("http://bench/**", answer)
    page.goto("http://bench/")
    view = zoommap.View(len(sheets) - 1, 0)
    picture = io.BytesIO()
    Image.effect_noise((1800, 1800), 40).convert("RGB").save(picture, "WEBP")
    basemap = picture.getvalue(), Frame.of(region)
    page.evaluate(START, zoommap.message(region, name="1", basemap=basemap, credit="", view=view, sheets=sheets))
    for sheet in sheets:
        page.evaluate(SEND, base64.b64encode(zoommap.packed(sheet)).decode())
    page.wait_for_selector(".zd-legend:not([hidden])")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The region's size, and how the week is played."""
    parser.add_argument("--squares", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--speed", choices=["1", "2", "4", "8", "16"], default="16")


def main(options: argparse.Namespace) -> None:
    """Play, move the sliders and print the figures."""
    if not zoommap.available():
        raise SystemExit("The map component is not built: run 'make map'.")
    region = region_of(options.squares)
    sheets = week_of(region)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SOFTWARE)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        open_page(page, region, sheets)
        page.get_by_label("Speed").select_option(options.speed)
        page.get_by_role("button", name="Play").click()
        rate, steps = page.evaluate(PLAY, options.seconds)
        page.get_by_role("button", name="Pause").click()
        hours = page.get_by_label("Time", exact=True).evaluate(MOVE, list(range(40)))
        levels = page.get_by_label("Zoom level").evaluate(MOVE, [0, 3, 1, 3, 2, 3])
        browser.close()
    cells = region.mask().sum()
    result = {
        "squares": int(cells),
        "megabytes": round(sum(len(sheet.codes) for sheet in sheets) / 1e6, 1),
        "frames_per_second": round(rate, 1),
        "hours_shown": steps,
        "hour_ms": round(float(np.median([script for script, _ in hours])), 1),
        "level_ms": round(max(painted for _, painted in levels), 1),
    }
    print(json.dumps(result, indent=2))
