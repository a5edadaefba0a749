"""Choosing a region: by mouse, and from a file."""

import json
import re

import numpy as np
import pytest
import shapely
from actions import (
    LEGENDS,
    choose_region,
    colours_of,
    draw_polygon,
    generate,
    hold,
    press,
    settled,
    the_map,
    until,
    upload,
)
from playwright.sync_api import Page, expect

from zoomdiff.region import Region

SNAP = """async ([ring, most]) => {
  const { snap } = await import(new URL("app/static/zoommap.js", document.baseURI));
  return snap(ring, most);
}"""
HTML = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


def test_the_map_is_there_before_anything_is_generated(page: Page):
    colours = until(lambda: colours_of(the_map(page)), lambda number: number > 50)
    assert colours > 50  # roads, houses, water, green, and the blocks


def test_a_rectangle_drawn_by_mouse_becomes_the_region(page: Page):
    """What the preview says is what Python makes of it."""
    choose_region(page, "Draw")
    page.get_by_role("button", name="Draw a rectangle").click()
    press(page, 0.6, 0.25)
    hold(page, 0.8, 0.6)
    preview = page.locator(".zd-info")
    expect(preview).to_contain_text("base station")
    press(page, 0.8, 0.6)
    expect(page.get_by_text("one base station each")).to_be_visible()
    said = preview.text_content()  # the last one: hidden, once Python has answered
    km2, stations = re.match(r"([\d.]+) km² · (\d+) base station", said).groups()
    expect(page.get_by_text(f"{km2} km² in {stations} blocks")).to_be_visible()
    assert int(stations) * 0.16 == pytest.approx(float(km2))
    assert f"{64 * int(stations)} of 50 m" in said


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
    expect(page.get_by_role("button", name="Generate", exact=True)).to_be_disabled()


def test_too_large_is_said_while_drawing(page: Page):
    """From one corner out with the wheel until the other is far enough."""
    page.locator(".leaflet-pm-icon-rectangle").click()
    press(page, 0.55, 0.3)
    preview = page.locator(".zd-info")

    def further() -> str:
        hold(page, 0.55, 0.3)
        page.mouse.wheel(0, 400)
        hold(page, 0.9, 0.8)
        return preview.inner_text()

    until(further, lambda words: "Too large" in words)
    expect(preview).to_contain_text("150 km²")
    page.keyboard.press("Escape")
    page.locator(".leaflet-pm-action", has_text="Cancel").locator("visible=true").click()


def test_a_polygon_drawn_by_mouse_gets_its_week(page: Page):
    settled(the_map(page))  # what the wheel began is done
    page.get_by_role("button", name="Show the whole region").click()
    settled(the_map(page))
    draw_polygon(page, (0.5, 0.3), (0.66, 0.35), (0.6, 0.6))
    expect(page.get_by_text("one base station each")).to_be_visible()
    generate(page)
    expect(page.locator(".zd-legend")).to_contain_text(LEGENDS[3])
    expect(page).not_to_have_url(re.compile("bbox"))  # a polygon that is no box does not fit into an address


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
        said = page.evaluate(SNAP, [ring.tolist(), 1e6])
        rows, cols = np.nonzero(region.blocks)
        assert said["epsg"] == region.epsg
        assert sorted(said["blocks"]) == sorted(
            [int(r) + region.row, int(c) + region.col] for r, c in zip(rows, cols, strict=True)
        )
        assert said["km2"] == pytest.approx(region.km2)


def test_html_in_an_uploaded_region_stays_words(page: Page):
    """Names and properties of a user's file are shown as they are, or not at all."""
    choose_region(page, "GeoJSON")
    square = shapely.box(24.940, 60.166, 24.951, 60.172)
    feature = {
        "type": "Feature",
        "properties": {"name": HTML, HTML: HTML},
        "geometry": shapely.geometry.mapping(square),
    }
    region = {"type": "FeatureCollection", "name": HTML, "features": [feature]}
    upload(page, "upload", f"{HTML.replace('/', '')}.geojson", json.dumps(region).encode())
    expect(page.get_by_text("one base station each")).to_be_visible()
    generate(page)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0


def test_html_in_a_refused_region_stays_words(page: Page):
    choose_region(page, "Box")
    choose_region(page, "GeoJSON")
    upload(page, "upload", "place.geojson", json.dumps({"type": HTML}).encode())
    expect(page.get_by_test_id("stAlert").first).to_be_visible()
    expect(page.get_by_role("button", name="Generate", exact=True)).to_be_disabled()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0
