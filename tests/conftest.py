"""Shared by all tests. `make test` runs them in several processes (`pytest -n auto`), plain `pytest` in one."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# One thread per test process, and per process that a test starts: the processes share the cores. It is read when
# torch and the other libraries are loaded, which nothing above does.
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "GDAL_NUM_THREADS")
os.environ.update(dict.fromkeys(ONE_THREAD, "1"))

# Machines are shared: a slow moment is not a failure. And a commit passes or fails alike everywhere: new examples are
# looked for with `pytest --hypothesis-profile=explore`, not by chance in somebody's first `make test`.
settings.register_profile("zoomdiff", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("zoomdiff")

TESTS = Path(__file__).parent
SHARED_DATA = Path(os.environ.get("ZOOMDIFF_DATA", TESTS.parents[1] / "shared" / "data"))
BROWSER = "tests/e2e/"
LONG = (  # files that take longest: they start first, so that no process is left alone with one of them at the end
    "e2e/test_exploring.py",
    "e2e/test_panels.py",
    "e2e/test_sessions.py",
    "e2e/test_drawing.py",
    "simulator/test_city.py",
    "test_generate.py",
    "docs/test_notebooks.py",
    "training/test_train.py",
    "package/test_wheel.py",
    "test_cli.py",
    "benchmarks/test_harness.py",
    "benchmarks/test_works.py",
    "app/test_page.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the long files."""
    rank = {TESTS / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: browser tests wait more than they compute. At most eight: each needs 1 GB."""
    return min((os.cpu_count() or 1) + 1, 8)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """A file stays in one process, as its tests share what is slow to make; files start in the order given above.

    The browser tests share one server and one browser, and stay in one process all together.
    """
    from xdist.scheduler import LoadFileScheduling

    class Sharing(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return BROWSER if nodeid.startswith(BROWSER) else super()._split_scope(nodeid)

    if config.option.dist != "load":  # another one is asked for
        return None
    config.option.loadscopereorder = False
    return Sharing(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real maps and measurements for development; newcomers do not have them."""
    if not SHARED_DATA.exists():
        pytest.skip(f"needs the development data, which is not at {SHARED_DATA} (set ZOOMDIFF_DATA)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def small_store(tmp_path_factory) -> Path:
    """The embedded map in a store, one stride per level, in pieces of two blocks at the finest level."""
    from zoomdiff.checkpoint import load_model
    from zoomdiff.large import layout
    from zoomdiff.large.run import Place, generate_large
    from zoomdiff.sampling import Sampling

    path = tmp_path_factory.mktemp("stores") / "week.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "CELLS", 16)
        return generate_large(load_model(device="cpu"), Place("helsinki"), path, seed=1, sampling=Sampling(steps=1))
