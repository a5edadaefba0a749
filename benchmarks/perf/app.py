"""How long does the app take in a browser, and how much memory does its server use?

--what clicks: from the click on Generate to each level on the screen, 2 x 2 km of the fictional demo city, a new seed
each time (the first one is not counted); then the whole city of 64 km2, and from a slider's move to the frame after the
repaint, and from its release to the totals beside the map, which Python computes.
--what runs: what-if and refine on the whole city, from the click to the result on the page, with Streamlit's full
garbage collection after every rerun (`runner.postScriptGC`) and without, and the ratio; each server is started anew.
--what memory: resident memory of the server before and after each of `--repeat` weeks of the whole city. `--small`
takes the 2 x 2 km for either.
--what queue: from the click on Generate to the week of one block, on an idle server, and while another user's week of
the whole city is made.

Needs the built component (`make map`) and chromium, which paints in software. The browser is 1440 x 900.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from benchmarks.machine import cpu_name
from benchmarks.perf.browser import app, chromium, opened
from benchmarks.perf.player import MOVE

sys.path.append(str(Path(__file__).parents[2] / "tests" / "e2e"))
from actions import DESK, LEGENDS, at_rest, choose, open_panel, slider, upload, week_is_there

BOX = "8.98727,45.14440,9.01273,45.16239"  # 2 x 2 km in the middle of the demo city
LINK = f"?map=town7&bbox={BOX}&seed=0&level=3&t=66"
BLOCK = "?map=town7&bbox=8.9990,45.1525,8.9995,45.1530&seed="
MOST, FEW = "25,600", "2,304"  # squares of 50 m of the whole city, and of the box
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


def new_seed(page: Page, seed: int) -> None:
    """Type a seed, so that the next week is another one."""
    field = page.get_by_role("spinbutton", name="Seed")
    field.fill(str(seed))
    field.press("Enter")
    expect(page.get_by_text("for a week of traffic")).to_be_visible()


def clicks(page: Page, repeat: int) -> list[list[float]]:
    """(repeat, 4) seconds from the click to the levels."""
    times = []
    for seed in range(1, repeat + 2):
        new_seed(page, seed)
        at_rest(page).locator(".zd-legend").evaluate(RECORD)
        page.get_by_role("button", name="Generate", exact=True).click()
        week_is_there(page)
        page.wait_for_function("(last) => window.painted[last]", arg=LEGENDS[-1])
        painted = page.evaluate("painted")
        times.append([painted.get(words, painted[LEGENDS[-1]]) for words in LEGENDS])
    return times[1:]


def choose_city(page: Page) -> None:
    """Take the whole city as the region."""
    page.locator(".st-key-kind").get_by_text("Preset", exact=True).click()
    choose(page, "preset", "Whole map")
    expect(page.get_by_text("for a week of traffic")).to_be_visible()


def generate(page: Page, squares: str) -> None:
    """Generate the week of the region, of so many squares of 50 m."""
    at_rest(page).get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text(f"{squares} cells of 50 m")).to_be_visible()
    week_is_there(page)


def collecting(after_reruns: bool) -> str:
    """Streamlit's option."""
    return f"--runner.postScriptGC={str(after_reruns).lower()}"


def summary(seconds: list[float]) -> dict[str, float]:
    """Median and longest."""
    return {"median": round(statistics.median(seconds), 2), "longest": round(max(seconds), 2)}


def clicks_and_sliders(browser: Browser, repeat: int, small: bool) -> dict:
    """Seconds of each, median and longest."""
    with app() as server:
        page = opened(browser.new_page(viewport=DESK), server.address + LINK)
        levels = zip(*clicks(page, repeat), strict=True)
        choose_city(page)
        generate(page, MOST)
        hours = slider(page, "Time").evaluate(MOVE, list(range(40)))
        zooms = slider(page, "Zoom level").evaluate(MOVE, [0, 3, 1, 3, 2, 3])
        at_rest(page)
        moves = [[24 + hour, f"Tue {hour:02}:00-{hour + 1:02}:00"] for hour in range(10)]
        follow = [slider(page, "Time").evaluate(FOLLOW, move) for move in moves]
    result = {f"click to level {k} on the screen, {FEW} squares": summary(t) for k, t in enumerate(levels, 1)}
    return result | {
        f"time slider to repaint, {MOST} squares": summary([painted / 1000 for _, painted in hours]),
        f"zoom slider to repaint, {MOST} squares": summary([painted / 1000 for _, painted in zooms]),
        f"time slider to totals and curve, {MOST} squares": summary(follow),
    }


def what_if(page: Page) -> float:
    """Seconds from the click to the difference that a mall makes in the busiest cell."""
    open_panel(page, "What if")
    page.get_by_role("button", name="Add the change").click()
    expect(page.get_by_text("Changes: 1")).to_be_visible()
    return seconds_to(page, "Generate the changed week", "with the changes:")


def refine(page: Page) -> float:
    """Seconds from the click to the refined week of the template, a file with all base stations of the region."""
    open_panel(page, "Your own traffic")
    page.get_by_text("What the file holds, and a template").click()
    with page.expect_download() as waiting, tempfile.TemporaryDirectory() as folder:
        page.locator(".st-key-refine_template").get_by_role("button").click()
        path = Path(folder) / "template.csv"
        waiting.value.save_as(path)
        upload(page, "refine_traffic", path.name, path.read_bytes())
    expect(page.get_by_text("base stations or cells, steps of", exact=False)).to_be_visible()
    return seconds_to(page, "Refine to 50 m", "in the week: every step")


def seconds_to(page: Page, button: str, words: str) -> float:
    """From a click to words on the page."""
    run = at_rest(page).get_by_role("button", name=button)
    expect(run).to_be_enabled()
    started = time.monotonic()
    run.click()
    expect(page.get_by_text(words, exact=False).first).to_be_visible()
    return time.monotonic() - started


RUNS: dict[str, Callable[[Page], float]] = {"what-if": what_if, "refine": refine}


def runs(browser: Browser, repeat: int, small: bool) -> dict:
    """Seconds of the background runs, with the collection after reruns and without, in turns."""
    seconds: dict[str, dict[bool, list[float]]] = {name: {True: [], False: []} for name in RUNS}
    for _ in range(repeat):
        for after_reruns in (True, False):
            with app(collecting(after_reruns)) as server, browser.new_context(viewport=DESK) as context:
                page = opened(context.new_page(), server.address + LINK)
                if not small:
                    choose_city(page)
                    generate(page, MOST)
                for name, run in RUNS.items():
                    seconds[name][after_reruns].append(run(page))
                    print(
                        f"{collecting(after_reruns)} {name}: {seconds[name][after_reruns][-1]:.1f} s", file=sys.stderr
                    )
    return {
        f"{name}, {FEW if small else MOST} squares": {
            "with collection": summary(each[True]),
            "without": summary(each[False]),
            "ratio of medians": round(statistics.median(each[True]) / statistics.median(each[False]), 2),
        }
        for name, each in seconds.items()
    }


def memory(browser: Browser, repeat: int, small: bool) -> dict:
    """Megabytes of the server before the first week and after each."""
    with app() as server, browser.new_context(viewport=DESK) as context:
        page = opened(context.new_page(), server.address + LINK)
        if not small:
            choose_city(page)
        megabytes = [round(server.megabytes())]
        for seed in range(1, repeat + 1):
            new_seed(page, seed)
            generate(page, FEW if small else MOST)
            megabytes.append(round(server.megabytes()))
            print(f"week {seed}: {megabytes[-1]} MB", file=sys.stderr)
    return {"megabytes": megabytes}


def block(context: BrowserContext, address: str, seed: int) -> float:
    """Seconds to the week of one block, in a new session."""
    page = context.new_page()
    page.goto(f"{address}{BLOCK}{seed}")
    expect(page.get_by_text("for a week of traffic")).to_be_visible()
    began = time.perf_counter()
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text("in the week", exact=False).first).to_be_visible()
    seconds = time.perf_counter() - began
    page.close()
    return seconds


def queue(browser: Browser, repeat: int, small: bool) -> dict:
    """Seconds to small weeks of some users, alone and while a large one of another user is made."""
    with app() as server, browser.new_context(viewport=DESK) as context:
        block(context, server.address, 0)  # the first one also loads the model
        alone = [block(context, server.address, 1 + number) for number in range(repeat)]
        page = opened(context.new_page(), server.address + LINK)
        if not small:
            choose_city(page)
        page.get_by_role("button", name="Generate", exact=True).click()
        expect(page.get_by_text("Stage 3 of 4", exact=False).first).to_be_visible()
        beside = [block(context, server.address, 100 + number) for number in range(repeat)]
        under_way = page.get_by_role("button", name="Cancel").is_visible()
    return {"alone": summary(alone), "beside a large run": summary(beside), "which was still under way": under_way}


MEASURED: dict[str, tuple[Callable[[Browser, int, bool], dict], int]] = {
    "clicks": (clicks_and_sliders, 5),
    "runs": (runs, 3),
    "memory": (memory, 10),
    "queue": (queue, 3),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, and how often."""
    parser.add_argument("--what", choices=MEASURED, default="clicks")
    usual = ", ".join(f"{repeat} {name}" for name, (_, repeat) in MEASURED.items())
    parser.add_argument("--repeat", type=int, help=f"default: {usual}")
    parser.add_argument("--small", action="store_true", help="runs and memory of the 2 x 2 km, not of the whole city")


def main(options: argparse.Namespace) -> None:
    """Measure and print as JSON."""
    measure, repeat = MEASURED[options.what]
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        result = measure(browser, options.repeat or repeat, options.small)
        browser.close()
    print(json.dumps({"machine": f"{cpu_name()}, {os.cpu_count()} cores", **result}, indent=2))
