"""What the tests of the page and of its panels share: a small model, a page, and how to use it."""

from pathlib import Path

import torch
from streamlit.testing.v1 import AppTest
from zoomdiff.app.runs import Run

from zoomdiff.checkpoint import new_network
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.levels import S4T4

PATIENCE = 120  # seconds until what hangs fails a test; usually a run takes one
PAGE = Path(__file__).parents[2] / "app" / "main.py"
TWO_BLOCKS = "24.9390,60.1660,24.9440,60.1680"


def small_model() -> DRDM:
    """A small untrained model, so that generating is quick."""
    torch.manual_seed(0)
    stats = tuple(LevelStats(1.5, 1.0, -1.5, 5.0, spread) for spread in (1.0, 0.4, 0.4, 0.4))
    return DRDM(new_network(channels=16, blocks=1).eval(), ResidualPrior(S4T4, 2e5, stats))


def opened(**query: str) -> AppTest:
    """The whole page, opened with this address."""
    page = AppTest.from_file(str(PAGE), default_timeout=PATIENCE)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def choose_box(page: AppTest, text: str) -> AppTest:
    """Type the corners of a region."""
    if page.radio(key="kind").value != "Box":
        page.radio(key="kind").set_value("Box").run()
    return page.text_input(key="bbox").set_value(text).run()


def words(page: AppTest) -> str:
    kinds = page.markdown, page.caption, page.info, page.success, page.warning
    return " ".join(element.value for kind in kinds for element in kind)


def run_of(page: AppTest, name: str) -> Run | None:
    """The page's run, if one is under way."""
    return page.session_state.runs.get(name) if "runs" in page.session_state else None


def finish(page: AppTest, name: str) -> AppTest:
    """Wait until the run is over, and look at the page again, as a browser does."""
    if run := run_of(page, name):
        run.result(PATIENCE)
        page.run()
    assert not page.exception and run_of(page, name) is None
    return page
