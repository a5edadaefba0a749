"""A large run that takes a second: the embedded map in pieces of two blocks, one stride per level."""

import pytest
from quick import QUICK

from zoomdiff.checkpoint import load_model
from zoomdiff.large import Place, generate_large, layout


@pytest.fixture(scope="session")
def model():
    return load_model(device="cpu")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Pieces of two blocks at the finest level, so that a few blocks have many."""
    monkeypatch.setattr(layout, "CELLS", 16)


@pytest.fixture
def run(model, tmp_path):
    """Runs Helsinki into tmp_path / "week.zarr", with other arguments where they are given."""

    def run(out="week.zarr", *, on_piece=None, seed=1, sampling=QUICK, workers=1, **place):
        where = Place(**{"map": "helsinki", **place})
        return generate_large(
            model, where, tmp_path / out, seed=seed, sampling=sampling, workers=workers, on_piece=on_piece
        )

    return run
