"""Splits by space: contiguous, with a gap, kept in a file, and nothing of the test blocks is ever seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.context import build_uec
from zoomdiff.context.procedural import procedural_map
from zoomdiff.errors import DataError
from zoomdiff.region import Region
from zoomdiff.training.config import read_config
from zoomdiff.training.patches import TrainingCity, random_patches
from zoomdiff.training.splits import GAP, TEST, TRAIN, Split, band_split, held_out_split, read_splits, write_splits


def region(rows: int, cols: int) -> Region:
    """A full frame of blocks in zone 32."""
    return Region.of_blocks(32632, 12500, 1250, np.ones((rows, cols), bool))


@given(st.integers(5, 30), st.integers(1, 30), st.integers(0, 1000))
@settings(max_examples=40)
def test_a_fifth_is_for_testing_and_never_touches_the_training_ground(rows, cols, seed):
    frame = region(rows, cols)
    people = np.random.default_rng(seed).random(frame.shape)
    split = band_split(frame, people)
    train, gap, test = (split.mask(part) for part in (TRAIN, GAP, TEST))
    assert (train.astype(int) + gap + test == 1).all()
    assert 0.1 <= test.mean() <= 0.31 and train.mean() > 0.35
    near_test = np.zeros_like(test)
    for down, right in np.ndindex(3, 3):
        near_test |= np.pad(test, 1)[down : down + rows, right : right + cols]
    assert not (near_test & train).any()
    assert split.fits(frame) and not split.fits(region(rows + 1, cols))


def test_the_band_holds_a_fifth_of_the_people_if_it_can():
    frame = region(5, 20)
    people = np.zeros(frame.shape)
    people[:, :32] = 1.0  # all live in the four westernmost columns of blocks
    split = band_split(frame, people)
    share = (people * np.kron(split.mask(TEST), np.ones((8, 8)))).sum() / people.sum()
    assert share == pytest.approx(0.25)


def test_a_file_keeps_them_and_a_person_can_read_it(tmp_path):
    frame = region(5, 6)
    splits = {"here": band_split(frame, np.ones(frame.shape)), "there": held_out_split(frame)}
    write_splits(tmp_path / "splits.json", splits)
    assert read_splits(tmp_path / "splits.json") == splits
    assert "######" in (tmp_path / "splits.json").read_text()
    assert read_splits(tmp_path / "splits.json")["there"].mask(TEST).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not a file of splits"),
        ("{", "not a file of splits"),
        ('{"a": {"epsg": 1}}', "not a file of splits"),
        ('{"a": {"epsg": 1, "row": 0, "col": 0, "blocks": ["..", "."]}}', "blocks of a"),
        ('{"a": {"epsg": 1, "row": 0, "col": 0, "blocks": ["xx"]}}', "blocks of a"),
    ],
)
def test_a_bad_file_gets_one_sentence(text, words, tmp_path):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(DataError, match=words):
        read_splits(tmp_path / "bad.json")


def test_small_cities_are_refused_and_missing_files_named(tmp_path):
    with pytest.raises(DataError, match="too small"):
        band_split(region(4, 4), np.ones((32, 32)))
    with pytest.raises(DataError, match="cannot be read"):
        read_splits(tmp_path / "none.json")


def test_patches_never_show_a_block_that_is_not_allowed():
    layers = procedural_map(2, kilometres=2.4)
    frame = Region.from_bbox(layers.extent)
    uec = build_uec(layers, frame)
    split = band_split(frame, uec.population.mean(0))
    city = TrainingCity.simulated(uec, range(1), "china", split.mask(TRAIN))
    forbidden = np.kron(~split.mask(TRAIN), np.ones((8, 8), bool))
    city.weeks[0][-1][:, forbidden] = -1.0
    for side in (2, 12):
        patches = random_patches([city], 3, side, 20, np.random.default_rng(side))
        assert (patches.x_k >= 0).all()


def test_the_shipped_splits_are_disjoint_and_of_the_benchmark_cities(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # they come with the package, not from the folder that one works in
    splits = read_splits(read_config("shipped").splits)
    assert {"firenze", "liechtenstein_2015_valhalla.osm.pbf", "monaco_2016_osrm.osm.pbf"} == set(splits)
    assert all(isinstance(split, Split) for split in splits.values())
    assert splits["monaco_2016_osrm.osm.pbf"].mask(TEST).all()
    assert splits["firenze"].mask(TRAIN).mean() > 0.7 and 0.15 < splits["firenze"].mask(TEST).mean() < 0.25
