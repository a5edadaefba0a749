"""A large run that takes a second: the embedded map in pieces of two blocks, one stride per level."""

import shutil

import pytest
from quick import QUICK

from zoomdiff.checkpoint import load_model
from zoomdiff.large import layout
from zoomdiff.large.run import Place, generate_large


@pytest.fixture(scope="session")
def model():
    return load_model(device="cpu")


@pytest.fixture(autouse=True, scope="package")
def small_pieces():
    """Pieces of two blocks at the finest level, so that a few blocks have many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "CELLS", 16)
        yield


@pytest.fixture(scope="package")
def passes():
    """What the run of `undisturbed` said: (stage, pieces done, pieces)."""
    return []


@pytest.fixture(scope="package")
def undisturbed(model, small_pieces, passes, tmp_path_factory):
    """A complete store of Helsinki, made once: read it, or copy it."""
    store = tmp_path_factory.mktemp("undisturbed") / "week.zarr"
    said = lambda *at: passes.append(at)  # noqa: E731
    return generate_large(model, Place("helsinki"), store, seed=1, sampling=QUICK, on_piece=said)


@pytest.fixture
def complete(undisturbed, tmp_path):
    """A copy of it, where `run` writes to."""
    return shutil.copytree(undisturbed, tmp_path / "week.zarr")


@pytest.fixture
def run(model, tmp_path):
    """Runs Helsinki into tmp_path / "week.zarr", with other arguments where they are given."""

    def run(out="week.zarr", *, seed=1, sampling=QUICK, workers=1, on_piece=None, on_retry=None, **place):
        where, said = Place(**{"map": "helsinki", **place}), {"on_piece": on_piece, "on_retry": on_retry}
        return generate_large(model, where, tmp_path / out, seed=seed, sampling=sampling, workers=workers, **said)

    return run
