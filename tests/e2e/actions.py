"""What a user does, and what a user sees."""

import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, expect

PATIENCE = 300  # seconds after which a wait has failed; nothing waits longer than for its event
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
CELLS = 6, 24, 96, 384  # of the six blocks of the embedded region
PANELS = {  # the beginning of each
    "Understand": "understand",
    "What if": "whatif_kind",
    "Your own traffic": "refine_traffic",
    "Download": "download",
}
LEGENDS = (
    "Traffic per base station and 1 day",
    "Traffic per cell and 4 h",
    "Traffic per 100 m square and 2 h",
    "Traffic per 50 m square and 1 h",
)


def opened(context: BrowserContext, server: str, complaints: list[str]) -> Page:
    """The app in a new page; errors in it and requests to anybody but the app are added to `complaints`."""
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.on("pageerror", lambda error: complaints.append(f"page error: {error}"))
    page.on("console", lambda said: complaints.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("request", lambda request: complaints.append(request.url) if _foreign(request.url, server) else None)
    page.goto(server)
    expect(page.get_by_text("in 6 blocks of 400 m")).to_be_visible()
    return page


def generate(page: Page) -> Page:
    """Press Generate and wait for the week, its curves and its map."""
    page.get_by_role("button", name="Generate", exact=True).click()
    return week_is_there(page)


def week_is_there(page: Page) -> Page:
    expect(page.get_by_text("in the week", exact=False).first).to_be_visible()
    expect(lines(page)).to_have_count(4)
    expect(page.locator(".zd-legend")).to_be_visible()
    return at_rest(page)


def at_rest(page: Page) -> Page:
    """Once Python has answered everything."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.locator("[data-stale=true]")).to_have_count(0)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    return page


def choose(page: Page, key: str, option: str) -> None:
    """Take an option of a select box by keyboard; again where an answer of Python's closed the list meanwhile."""
    box = page.locator(f".st-key-{key}").get_by_role("combobox")

    def take() -> str:
        at_rest(page)
        box.fill(option)
        box.press("Enter")
        box.blur()  # it shows what is chosen from now on, not what is typed
        return at_rest(page).locator(f".st-key-{key}").get_by_role("combobox").input_value()

    until(take, lambda chosen: chosen == option)


def choose_region(page: Page, kind: str) -> None:
    page.locator(".st-key-kind").get_by_text(kind, exact=True).click()
    tools = page.locator(".leaflet-pm-icon-rectangle")
    expect(tools).to_have_count(int(kind == "Draw"))
    at_rest(page)


def choose_large(page: Page) -> Page:
    """A region that keeps the model busy for some seconds: there is something to watch, to cancel and to wait for."""
    choose(page, "map", "Demo city, 8 x 8 km (fictional)")
    expect(page.get_by_text("in 16 blocks of 400 m")).to_be_visible()
    choose_region(page, "Box")
    page.locator(".st-key-bbox input").fill("8.988,45.145,9.012,45.161")
    page.locator(".st-key-bbox input").press("Enter")
    expect(page.get_by_text("in 36 blocks of 400 m")).to_be_visible()
    return at_rest(page)


def choose_helsinki(page: Page) -> Page:
    """The region that the app opens with."""
    choose_region(page, "Preset")
    choose(page, "map", "Helsinki centre (embedded)")
    expect(page.get_by_text("in 6 blocks of 400 m")).to_be_visible()
    return at_rest(page)


def open_panel(page: Page, name: str) -> None:
    """Show one of the panels below the map."""
    page.locator(".st-key-panel").get_by_role("radio", name=name, exact=True).click()
    expect(page.locator(f".st-key-{PANELS[name]}")).to_be_visible()
    at_rest(page)


def upload(page: Page, key: str, name: str, content: bytes) -> None:
    """Give a file to an uploader."""
    given = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    page.locator(f".st-key-{key} input[type=file]").set_input_files(given)


def slider(page: Page, label: str) -> Locator:
    return page.locator(".zd").get_by_role("slider", name=label, exact=True)


def the_map(page: Page) -> Locator:
    return page.locator(".zd-map")


def hold(page: Page, x: float, y: float) -> None:
    """Move the mouse to a place of the map (shares of its width and height)."""
    box = the_map(page).bounding_box()
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)


def press(page: Page, x: float, y: float) -> None:
    """Click at a place of the map."""
    hold(page, x, y)
    page.mouse.down()
    page.mouse.up()


def draw_polygon(page: Page, *corners: tuple[float, float]) -> None:
    """Draw a polygon with these corners on the map (shares of its width and height)."""
    page.get_by_role("button", name="Draw a polygon").click()
    set_corners = the_map(page).locator(".leaflet-marker-pane .marker-icon:not(.cursor-marker)")
    for number, (x, y) in enumerate(corners, 1):
        press(page, x, y)
        expect(set_corners).to_have_count(number)
    press(page, *corners[0])
    expect(set_corners).to_have_count(0)


def lines(page: Page) -> Locator:
    """The lines of the chart beside the map."""
    return page.locator(".st-key-curve .cartesianlayer .js-line")


def curves(page: Page) -> list[str]:
    """The staircases of that chart as they are drawn."""
    return lines(page).evaluate_all("lines => lines.map(line => line.getAttribute('d'))")


def pixels(element: Locator) -> np.ndarray:
    """(pixels, 3) of what the element shows; none while it is being replaced."""
    box = element.bounding_box()
    if box is None:
        return np.zeros((0, 3), np.uint8)
    picture = Image.open(io.BytesIO(element.page.screenshot(clip=box)))
    return np.asarray(picture.convert("RGB")).reshape(-1, 3)


def colours_of(element: Locator) -> int:
    """How many colours the element shows, about."""
    return len(set(map(bytes, pixels(element)[::7])))


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
