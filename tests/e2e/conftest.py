"""A real server and a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from actions import DESK, PATIENCE, choose_region, generate, opened
from app_server import free_port, started
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "app" / "static" / "zoommap.js"
QUIET = [  # no requests of the browser's own, and WebGL in software, as machines that test have no graphics card
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    "--disable-gpu-compositing",  # in software it costs more than the page itself
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is in this folder drives a browser, and needs the map component."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.skipif(not BUNDLE.exists(), reason="needs the map component: make map"))


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[str]:
    """The address of the app, one for all tests of a process."""
    folder = tmp_path_factory.mktemp("server")
    with started(free_port(), folder) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=QUIET)
        expect.set_options(timeout=1000 * PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for all pages of a desk's size: what the app loads is in the browser's cache from the second page on."""
    with browser.new_context(viewport=DESK, accept_downloads=True, reduced_motion="reduce") as context:
        yield context


@pytest.fixture(scope="module")
def complaints() -> list[str]:
    """Errors in the browser, and requests to anybody but the app."""
    return []


@pytest.fixture(autouse=True)
def nobody_complains(complaints: list[str]) -> Iterator[None]:
    yield
    assert complaints == []


@pytest.fixture(scope="module")
def page(context: BrowserContext, server: str, complaints: list[str]) -> Iterator[Page]:
    """The app at a desk's size, open."""
    page = opened(context, server, complaints)
    yield page
    page.close()


@pytest.fixture(scope="module")
def week(page: Page) -> Page:
    """The app with a week of traffic of the preset region."""
    choose_region(page, "Preset")
    expect(page.get_by_text("in 6 blocks of 400 m")).to_be_visible()
    return generate(page)
