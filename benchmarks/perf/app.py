"""How long from the click on Generate to each level on the screen, and from a slider to the repainted map?

    python -m benchmarks app [--repeat 5]

Needs the built component (`make map`) and chromium, which paints in software. Starts the app, opens it at 1440 x 900
in a browser on the same machine and generates weeks of 2 x 2 km of the fictional demo city, each of a seed of its own;
the first warms up and is not counted. Then it generates the whole city, 25,600 squares of 50 m, and moves the sliders.

Prints seconds, median and longest: from the click to each level, its legend there and the frame after it painted; from
a slider's move to the frame after the repaint; from its release to the totals beside the map, which Python computes.
"""

import argparse
import json
import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "tests" / "e2e")]
from actions import DESK, LEGENDS, at_rest, choose, slider, week_is_there  # noqa: E402
from conftest import QUIET  # noqa: E402
from make_pictures import app, opened  # noqa: E402

from benchmarks.perf.player import MOVE  # noqa: E402

BOX = "8.98727,45.14440,9.01273,45.16239"  # 2 x 2 km in the middle of the demo city
LINK = f"?map=town7&bbox={BOX}&seed=0&level=3&t=66"
MOST = "25,600"  # squares of 50 m of the whole city
RECORD = """legend => {  // when which legend was painted, and when was the click
  window.painted = {};
  document.addEventListener("click", () => (window.clicked = performance.now()), { capture: true, once: true });
  window.watching?.disconnect();
  window.watching = new MutationObserver(() => {
    const words = legend.hidden ? "" : legend.firstChild?.textContent;
    if (!words || words in painted) return;
    painted[words] = 0;
    requestAnimationFrame(() => setTimeout(() => (painted[words] = (performance.now() - clicked) / 1000)));
  });
  window.watching.observe(legend, { childList: true, attributes: true });
}"""
FOLLOW = """(slider, [value, words]) => new Promise((done) => {
  const from = performance.now();
  slider.value = value;
  slider.dispatchEvent(new Event("input"));
  slider.dispatchEvent(new Event("change"));
  const main = document.querySelector("[data-testid=stMain]");
  const look = () => main.textContent.includes(words) ? done((performance.now() - from) / 1000) : setTimeout(look, 10);
  look();
})"""


def clicks(page: Page, repeat: int) -> list[list[float]]:
    """(repeat, 4) seconds from the click to the levels."""
    times = []
    for seed in range(1, repeat + 2):
        field = page.get_by_role("spinbutton", name="Seed")
        field.fill(str(seed))
        field.press("Enter")
        expect(page.get_by_text("for a week of traffic")).to_be_visible()
        at_rest(page).locator(".zd-legend").evaluate(RECORD)
        page.get_by_role("button", name="Generate", exact=True).click()
        week_is_there(page)
        page.wait_for_function("(last) => window.painted[last]", arg=LEGENDS[-1])
        painted = page.evaluate("painted")
        times.append([painted.get(words, painted[LEGENDS[-1]]) for words in LEGENDS])
    return times[1:]


def whole_city(page: Page) -> None:
    page.locator(".st-key-kind").get_by_text("Preset", exact=True).click()
    choose(page, "preset", "Whole map")
    expect(page.get_by_text("for a week of traffic")).to_be_visible()
    at_rest(page).get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text(f"{MOST} cells of 50 m")).to_be_visible()
    week_is_there(page)


def told(seconds: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(seconds), 2), "longest": round(max(seconds), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    expect.set_options(timeout=180_000)
    with app() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        page = opened(browser.new_page(viewport=DESK), address + LINK)
        cells = page.get_by_text("cells of 50 m").first.inner_text().rpartition(" cells")[0].rpartition(" ")[2]
        levels = zip(*clicks(page, repeat), strict=True)
        whole_city(page)
        hours = slider(page, "Time").evaluate(MOVE, list(range(40)))
        zooms = slider(page, "Zoom level").evaluate(MOVE, [0, 3, 1, 3, 2, 3])
        at_rest(page)
        moves = [[24 + hour, f"Tue {hour:02}:00-{hour + 1:02}:00"] for hour in range(10)]
        follow = [slider(page, "Time").evaluate(FOLLOW, move) for move in moves]
        browser.close()
    result = {f"click to level {k} on the screen, {cells} squares": told(times) for k, times in enumerate(levels, 1)}
    result |= {
        f"time slider to repaint, {MOST} squares": told([painted / 1000 for _, painted in hours]),
        f"zoom slider to repaint, {MOST} squares": told([painted / 1000 for _, painted in zooms]),
        f"time slider to totals and curve, {MOST} squares": told(follow),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
