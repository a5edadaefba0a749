"""The works: no block in two parts, the same blocks for every method, nothing of the truth where traffic is made."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.paper import works
from benchmarks.paper.blocks import Blocks, Places, cut, join_cells, split_blocks, truth_of, view, volumes_of
from benchmarks.paper.works import SPLITS, WORKS, busiest, nanchang_hierarchy, nodes_of, window
from zoomdiff.context import UEC, MapLayers, build_uec
from zoomdiff.errors import DataError
from zoomdiff.levels import S4T4, aggregate
from zoomdiff.region import Region
from zoomdiff.training import patches
from zoomdiff.training.splits import TEST, TRAIN, read_splits


def weeks(cities) -> set[bytes]:
    """The weeks of all blocks that are shown: two blocks with the same week are one."""
    return {
        block.numpy().tobytes()
        for city in cities
        for week in city.weeks
        for block in cut(week[0], city.allowed)
        if block.any()
    }


def disjoint(work) -> None:
    parts = [weeks(work.train), *(weeks([case.city for case in cases]) for cases in (work.tune, work.test))]
    assert all(parts)
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


def test_no_block_of_the_smoke_work_is_in_two_parts(work):
    disjoint(work)


def test_no_patch_of_nanchang_is_in_two_parts_and_each_is_tested_once(shared_data, monkeypatch):
    monkeypatch.setenv("ZOOMDIFF_DATA", str(shared_data))
    folds = WORKS["nanchang"]()
    tested = [case.name for work in folds for case in work.test]
    assert len(tested) == len(set(tested)) == 37
    for work in folds:
        disjoint(work)


def noise(uec, seed: int, preset):
    """A week that no other place has, much faster than a simulated one."""
    return SimpleNamespace(traffic=np.random.default_rng(seed).random(uec.population.shape, np.float32))


def test_no_ground_of_city50_is_in_two_parts(shared_data, monkeypatch):
    """By the place itself: a training block's row and column in the world is no test block's, not even as neighbour."""
    monkeypatch.setenv("ZOOMDIFF_DATA", str(shared_data))
    monkeypatch.setattr(patches, "simulate", noise)  # the places are the same, for any simulated traffic
    contexts: dict[str, UEC] = {}  # the same for both presets

    def once(layers: MapLayers, region: Region) -> UEC:
        if layers.name not in contexts:
            contexts[layers.name] = build_uec(layers, region)
        return contexts[layers.name]

    monkeypatch.setattr(works, "build_uec", once)
    monkeypatch.setattr(works, "WEEKS", 1)
    monkeypatch.setattr(works, "TRAIN_TOWNS", works.TRAIN_TOWNS[:1])
    work = WORKS["city50"]()[0]
    disjoint(work)
    assert any(case.name.startswith("monaco") for case in work.test)
    assert not {case.name for case in work.tune} & {case.name for case in work.test}
    for name, split in read_splits(SPLITS).items():
        cases = [case for case in work.test if case.name.startswith(name)]
        for case in cases:
            rows, cols = case.city.blocks
            row, col = case.row - split.row, case.col - split.col
            asked = np.zeros_like(split.mask(TEST))
            asked[row : row + rows, col : col + cols] = True
            assert split.mask(TEST)[asked].all(), name
            padded = np.pad(asked, 1)
            around = sum(np.roll(padded, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)).astype(bool)
            assert not (around[1:-1, 1:-1] & split.mask(TRAIN)).any(), name


@pytest.mark.parametrize("name", ["city50", "nanchang"])
def test_where_data_is_absent_one_sentence_says_what_to_do(name, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOOMDIFF_DATA", str(tmp_path))
    with pytest.raises(DataError, match=f"There is no .*{tmp_path}.*--data"):
        WORKS[name]()
    monkeypatch.delenv("ZOOMDIFF_DATA")
    with pytest.raises(DataError, match=r"--data or \$ZOOMDIFF_DATA"):
        WORKS[name]()


def test_nanchang_is_s3t4_with_the_fine_preference():
    stages = [(level.side, level.hours) for level in nanchang_hierarchy()]
    assert stages == [(4000, 24), (2000, 4), (1000, 2), (1000, 1)]
    assert nodes_of(nanchang_hierarchy()) == (600, 450, 300, 150, 0)


def test_the_busiest_window_is_allowed_and_the_window_is_that_piece_of_the_city(work):
    city = work.train[0]
    row, col = busiest(city, 2)
    piece = window(city, row, col, 2)
    people = city.conditions[0].population[0].mean(0)
    assert piece.conditions[0].population[0].mean(0).sum() == max(
        people[i : i + 2, j : j + 2].sum() for i, j in city.windows(2)[0]
    )
    for k, week in enumerate(piece.weeks[0]):
        n = S4T4.block // S4T4.space_factor(k)
        np.testing.assert_array_equal(week, city.weeks[0][k][:, row * n : (row + 2) * n, col * n : (col + 2) * n])


def test_blocks_of_a_level_add_up_to_the_level_above(work):
    prior = work.prior()
    fine, coarse = (view(work, k, prior).train for k in (3, 0))
    volumes = [volumes_of(blocks.y[:, 0], k, prior).double() for blocks, k in ((fine, 3), (coarse, 0))]
    np.testing.assert_allclose(aggregate(volumes[0], 8, 24), volumes[1], rtol=2e-3, atol=1e4)


def test_what_a_method_knows_is_scaled_by_the_training_blocks(work):
    blocks = view(work, 2, work.prior()).train
    for x in (blocks.places.people, blocks.places.static.movedim(1, -1).flatten(0, -2)):
        assert x.mean().abs() < 1e-3 and x.std() < 1.01
    assert abs(float(blocks.y.mean())) < 0.5 and 0.5 < float(blocks.y.std()) < 1.5


def test_places_hold_no_traffic(work):
    places = view(work, 3, work.prior()).cases[work.test[0].name]
    truth = truth_of(work.test[0], 3)
    assert set(vars(places)) == {"people", "static"}
    assert len(places) == len(truth) and places.people.shape == truth.shape


def test_cells_and_blocks_are_each_others_inverse():
    x = torch.randn(3, 5, 2, 4)
    torch.testing.assert_close(join_cells(split_blocks(x), 2, 4), x)
    blocks = Blocks(Places(x, torch.randn(3, 6, 2, 4)), torch.randn(3, 2, 5, 2, 4))
    cells = blocks.cells
    assert len(cells) == 24 and cells.shape.h == cells.shape.w == 1
    torch.testing.assert_close(cells.y[13, 1, :, 0, 0], blocks.y[1, 1, :, 1, 1])
    torch.testing.assert_close(cells.places.static[13, :, 0, 0], blocks.places.static[1, :, 1, 1])
    torch.testing.assert_close(cells.places.people[13, :, 0, 0], blocks.places.people[1, :, 1, 1])
