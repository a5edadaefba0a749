"""A finished store: open it by its path, draw a part, click."""

import numpy as np
import pytest
from actions import at_rest, choose, curves, lines, press, slider, the_map, until
from playwright.sync_api import Page, expect

from zoomdiff.frames import EUROPE, OWN, to_lonlat

FRAME = """async ([epsg, x, y]) => {
  const { Frame } = await import(new URL("app/static/zoommap.js", document.baseURI));
  const { lat, lng } = new Frame({ epsg, bounds: [0, 0, 1, 1] }).latLng(x, y);
  return [lng, lat];
}"""


def test_a_store_is_opened_played_and_cut(page: Page, small_store):
    choose(page, "map", "Finished store (week.zarr)")
    page.locator(".st-key-store_path input").fill(str(small_store))
    page.locator(".st-key-store_path input").press("Enter")
    expect(page.get_by_text("at all its levels")).to_be_visible()
    expect(lines(page)).to_have_count(4)
    at_rest(page)
    before = curves(page)
    press(page, 0.5, 0.5)
    until(lambda: curves(page), lambda drawn: len(drawn) == 4 and drawn != before)
    assert slider(page, "Time").is_enabled()

    total = page.get_by_text("in the week ·").inner_text()
    page.locator(".st-key-store_part").get_by_text("Draw", exact=True).click()
    page.get_by_role("button", name="Draw a rectangle").click()
    press(page, 0.45, 0.45)
    press(page, 0.55, 0.55)
    until(lambda: page.get_by_text("in the week ·").inner_text(), lambda text: text != total)
    expect(the_map(page)).to_be_visible()
    at_rest(page)


@pytest.mark.parametrize(
    ("epsg", "x", "y"),
    [(EUROPE, 4e6, 3.5e6), (OWN + 65_314, 4.8e6, 5.3e6), (32735, 5e5, 7e6)],  # 25 S, 134 E
)
def test_places_of_a_frame_are_those_of_python(page: Page, epsg: int, x: float, y: float):
    np.testing.assert_allclose(page.evaluate(FRAME, [epsg, x, y]), to_lonlat(epsg).transform(x, y), atol=1e-7)
