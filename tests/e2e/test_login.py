"""Users log in with an OpenID provider, below a path of a web server; some may make weeks, others only look at them."""

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest
from actions import PATIENCE, at_rest, choose_region
from app_server import free_port, started
from playwright.sync_api import Browser, Page, expect

PATH = "/planning/zoomdiff"
MAKER, VIEWER = "planner@example.com", "guest@example.net"
PROVIDER = f"""
import sys
from oidc_provider_mock import User, run_server_in_thread
users = [User(sub=name, claims=dict(email=name, email_verified=True)) for name in ("{MAKER}", "{VIEWER}")]
with run_server_in_thread(port=int(sys.argv[1]), user_claims=users):
    print("ready", flush=True)
    sys.stdin.read()
"""
SECRETS = """
[auth]
redirect_uri = "http://localhost:{port}{path}/oauth2callback"
cookie_secret = "of the test"
client_id = "zoomdiff"
client_secret = "secret"
server_metadata_url = "http://localhost:{provider}/.well-known/openid-configuration"
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """The app, with a local provider that lets everybody in; makers are those of example.com."""
    folder, port, provider = tmp_path_factory.mktemp("login"), free_port(), free_port()
    secrets = folder / "secrets.toml"
    secrets.write_text(SECRETS.format(port=port, path=PATH, provider=provider))
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROVIDER, str(provider)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        settings = {"STREAMLIT_SECRETS_FILES": str(secrets), "ZOOMDIFF_MAKERS": "boss@example.org @example.com"}
        with started(port, folder, PATH, **settings, NO_PROXY="localhost", no_proxy="localhost") as address:
            yield address
    finally:
        process.communicate()


def opened(browser: Browser, address: str) -> Page:
    """The page in a new browser."""
    page = browser.new_context().new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(address)
    return page


def logged_in(browser: Browser, address: str, user: str) -> Page:
    """The page in a new browser, after the provider's form."""
    page = opened(browser, address)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name=user).first.click()
    expect(page.get_by_text(f"Logged in as {user}")).to_be_visible()
    return at_rest(page)


def test_an_address_that_the_provider_does_not_vouch_for_is_none(browser: Browser, address: str):
    page = opened(browser, address)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("textbox").fill("boss@example.org")
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_text("Logged in as somebody without a confirmed address")).to_be_visible()
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text("You may look at weeks, but not make them")).to_be_visible()
    page.context.close()


def test_figures_and_health_are_below_the_path_too(address: str):
    for root in (address, address.removesuffix(PATH)):
        assert urllib.request.urlopen(f"{root}/healthz").read() == b"ok"
        assert b'zoomdiff_runs_total{end="done"}' in urllib.request.urlopen(f"{root}/metrics").read()


def test_nothing_is_shown_before(browser: Browser, address: str):
    page = opened(browser, address)
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(page.get_by_role("button", name="Generate")).to_have_count(0)
    page.context.close()


def test_a_viewer_looks_at_the_week_that_a_maker_has_made(browser: Browser, address: str):
    maker = logged_in(browser, address, MAKER)
    choose_region(maker, "Preset")
    maker.get_by_role("button", name="Generate", exact=True).click()
    expect(maker.get_by_text("in the week", exact=False).first).to_be_visible()
    expect(maker).to_have_url(re.compile("week="))
    viewer = logged_in(browser, address, VIEWER)
    expect(viewer.get_by_text(f"Logged in as {VIEWER}, to look at weeks.")).to_be_visible()
    viewer.get_by_role("button", name="Generate", exact=True).click()
    expect(viewer.get_by_text("You may look at weeks, but not make them")).to_be_visible()
    viewer.goto(maker.url)
    expect(viewer.get_by_text("in the week", exact=False).first).to_be_visible()
    viewer.get_by_role("button", name="Log out").click()
    viewer.get_by_role("button", name="End session").click()  # at the provider, too
    expect(viewer.get_by_role("button", name="Log in")).to_be_visible()
    for page in (maker, viewer):
        page.context.close()
