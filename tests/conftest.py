"""Shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Machines are shared: a slow moment is not a failure. And a commit passes or fails alike everywhere: new examples are
# looked for with `pytest --hypothesis-profile=explore`, not by chance in somebody's first `make test`.
settings.register_profile("zoomdiff", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("zoomdiff")

SHARED_DATA = Path(os.environ.get("ZOOMDIFF_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real maps and measurements for development; newcomers do not have them."""
    if not SHARED_DATA.exists():
        pytest.skip(f"needs the development data, which is not at {SHARED_DATA} (set ZOOMDIFF_DATA)")
    return SHARED_DATA
