"""The benchmarks are run from the repository's root, in one thread: so are their tests."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.paper.works import WORKS, Work


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """As `python -m benchmarks` sets it: on a busy machine two threads wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def work() -> Work:
    """Two small towns, simulated once for all tests."""
    return WORKS["smoke"]()[0]
