"""What the tests of panels share: a small model, and a page with one panel."""

import time

import torch
from streamlit.testing.v1 import AppTest

from zoomdiff.checkpoint import new_network
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.levels import S4T4

PATIENCE = 60  # seconds for a run on a busy machine; usually it takes one


def untrained() -> DRDM:
    """A small untrained model, so that generating is quick."""
    torch.manual_seed(0)
    stats = tuple(LevelStats(1.5, 1.0, -1.5, 5.0, spread) for spread in (1.0, 0.4, 0.4, 0.4))
    return DRDM(new_network(channels=16, blocks=1).eval(), ResidualPrior(S4T4, 2e5, stats))


def words(page: AppTest) -> str:
    kinds = page.markdown, page.caption, page.info, page.success, page.warning
    return " ".join(element.value for kind in kinds for element in kind)


def finish(page: AppTest, name: str) -> AppTest:
    """Look at the page again and again, as a browser does, until the run is over."""
    end = time.monotonic() + PATIENCE
    while f"{name}_job" in page.session_state:
        assert time.monotonic() < end, "the run never ends"
        time.sleep(0.02)
        page.run()
        assert not page.exception
    return page
