"""Shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("zoomdiff", deadline=None)  # machines are shared: a slow moment is not a failure
settings.load_profile("zoomdiff")

SHARED_DATA = Path(os.environ.get("ZOOMDIFF_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real maps and measurements for development; newcomers do not have them."""
    if not SHARED_DATA.exists():
        pytest.skip(f"needs the development data, which is not at {SHARED_DATA} (set ZOOMDIFF_DATA)")
    return SHARED_DATA
