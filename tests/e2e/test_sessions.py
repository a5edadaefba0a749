"""Long runs, several users, no network: every session stays alive."""

import re
from collections.abc import Iterator

import pytest
from actions import DESK, at_rest, choose, choose_helsinki, choose_large, choose_region, generate, opened, week_is_there
from playwright.sync_api import Browser, BrowserContext, Page, expect

STAGE = re.compile(r"Stage \d of 4: .+, step \d+ of \d+")


@pytest.fixture
def other(browser: Browser, server: str, complaints: list[str]) -> Iterator[Page]:
    """Somebody else."""
    with browser.new_context(viewport=DESK) as context:
        yield opened(context, server, complaints)


def run(page: Page) -> None:
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text(STAGE)).to_be_visible()


def stop(page: Page) -> None:
    page.get_by_role("button", name="Cancel", exact=True).dispatch_event("click")  # it moves while the page fills up


def test_cancel_leaves_the_page_usable(page: Page):
    run(choose_large(page))
    stop(page)
    expect(page.get_by_text("for a week of traffic")).to_be_visible()
    expect(page.get_by_role("button", name="Generate", exact=True)).to_be_enabled()
    generate(choose_helsinki(page))


def test_a_short_run_pauses_a_long_one_and_both_users_get_their_own_week(page: Page, other: Page):
    other.get_by_role("spinbutton", name="Seed").fill("5")
    other.get_by_role("spinbutton", name="Seed").press("Enter")
    at_rest(other)
    run(choose_large(page))
    other.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text("paused for a shorter run")).to_be_visible()
    week_is_there(other)
    week_is_there(page)
    theirs, mine = (one.get_by_text("in the week", exact=False).first.inner_text() for one in (other, page))
    assert "384 cells of 50 m" in theirs and "2,304 cells of 50 m" in mine
    expect(other).to_have_url(re.compile("map=helsinki.*&seed=5&"))
    expect(page).to_have_url(re.compile("map=town7"))


def test_a_map_from_the_network_without_one_is_one_sentence(context: BrowserContext, server: str):
    """Where the world is shown its tiles come from OpenStreetMap: the one foreign address, and here it is closed."""
    said: list[str] = []
    page = opened(context, server, said)
    page.route("https://tile.openstreetmap.org/**", lambda route: route.abort())
    choose(page, "map", "Anywhere: OpenStreetMap (download)")
    expect(page.get_by_role("button", name="Draw a rectangle")).to_be_visible()
    choose_region(page, "Box")
    error = page.get_by_test_id("stAlert").filter(has_text="the network does not answer")
    expect(error).to_be_visible()
    assert page.get_by_test_id("stException").count() == 0
    choose(page, "map", "Helsinki centre (embedded)")
    expect(page.get_by_text("in 6 blocks of 400 m")).to_be_visible()
    generate(at_rest(page))
    page.close()
    asked = {line.split("/")[2] for line in said if line.startswith("http")}
    assert asked == {"tile.openstreetmap.org"}
    assert not [line for line in said if line.startswith("page error")]
