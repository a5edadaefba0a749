"""Generation with the shipped weights."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from zoomdiff.checkpoint import SHIPPED, load_model
from zoomdiff.context import UEC, build_uec, read_map
from zoomdiff.context.classes import AOI_INDEX, POI_CATEGORIES
from zoomdiff.context.procedural import procedural_map
from zoomdiff.context.uec import STRUCTURE
from zoomdiff.errors import OptionError
from zoomdiff.generate import FAST, ensemble, generate, refine_level, watch
from zoomdiff.levels import S4T4, aggregate
from zoomdiff.region import Region
from zoomdiff.sampling import Callbacks, Sampling
from zoomdiff.simulator.city import EUROPE, simulate


@pytest.fixture(scope="module")
def model():
    return load_model(device="cpu")


@pytest.fixture(scope="module")
def helsinki() -> UEC:
    return build_uec(read_map("helsinki"), Region.from_bbox((24.937, 60.166, 24.951, 60.177)))


@pytest.fixture(scope="module")
def town() -> UEC:
    """A town of a seed that no training used."""
    layers = procedural_map(987_654, kilometres=3.2)
    return build_uec(layers, Region.from_bbox(layers.extent))


def test_shipped_weights_are_small_and_have_a_card():
    assert SHIPPED.stat().st_size < 3_000_000
    assert (SHIPPED.parent / "MODEL_CARD.md").exists()


def test_levels_come_one_by_one_and_agree_in_the_end(model, helsinki):
    seen, steps = [], []
    week = generate(
        model,
        helsinki,
        seed=1,
        callbacks=Callbacks(
            on_level=lambda k, x: seen.append((k, x.shape, len(steps))), on_step=lambda *at: steps.append(at)
        ),
    )
    assert [(k, shape) for k, shape, _ in seen] == [(k, x.shape) for k, x in enumerate(week.volumes)]
    assert [n for _, _, n in seen] == list(np.cumsum(FAST))
    assert week.total(0) == week.total(1) == week.total(2) == week.total(3) > 0
    assert all((x == np.round(x)).all() for x in week.volumes)
    assert week.provenance["seed"] == 1 and "simulated" in week.provenance["training"]


def test_any_step_inside_a_level_can_be_watched(model, helsinki):
    levels, seen, stages = [], {}, set()
    generate(model, helsinki, seed=1, callbacks=Callbacks(on_level=lambda k, x: levels.append(x)))
    watch(model, helsinki, 1, [0, 149, 20], seen.__setitem__, seed=1, on_step=lambda k, step, steps: stages.add(k))
    assert list(seen) == [149, 20, 0] and stages == {0, 1}
    np.testing.assert_allclose(seen[0], levels[1], rtol=1e-4)
    likeness = [np.corrcoef(seen[left].ravel(), levels[1].ravel())[0, 1] for left in seen]
    assert likeness[0] < 0.9 * likeness[1] < likeness[2]
    outside = ~helsinki.region.mask(1)
    assert (seen[149][:, outside] == 0).all() and all((x >= 0).all() for x in seen.values())
    with pytest.raises(OptionError, match="0 to 149 steps"):
        watch(model, helsinki, 1, [150], seen.__setitem__)


def test_a_seed_decides(model, helsinki):
    once, again, other = (
        generate(model, helsinki, seed=seed, sampling=Sampling(steps=2)).volumes[-1] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(once, again)
    assert np.corrcoef(once.ravel(), other.ravel())[0, 1] < 0.99


def test_weeks_made_together_are_those_made_alone(model, helsinki):
    together = ensemble(model, helsinki, [3, 4], sampling=Sampling(steps=2))
    for seed, week in zip((3, 4), together, strict=True):
        alone = generate(model, helsinki, seed=seed, sampling=Sampling(steps=2)).volumes[0]
        np.testing.assert_allclose(week.volumes[0], alone, rtol=0.1)  # bf16 rounds by the batch
        assert week.provenance["seed"] == seed


def test_habits_differ(model, helsinki):
    china, europe = (
        np.mean(
            [
                week.volumes[-1].sum((1, 2))
                for week in ensemble(model, helsinki, range(4), sampling=Sampling(preset=preset))
            ],
            0,
        )
        for preset in ("china", "europe")
    )
    china, europe = (week[:120].reshape(5, 24).mean(0) for week in (china, europe))
    assert china[12] / china.mean() > 1.1 * europe[12] / europe.mean()
    assert europe.max() / europe.min() < 0.8 * china.max() / china.min()
    with pytest.raises(OptionError, match="no preset"):
        generate(model, helsinki, sampling=Sampling(preset="mars"))


@pytest.mark.parametrize("level", ["bs", "cell", "grid100"])
def test_refined_traffic_keeps_what_is_known(model, helsinki, level):
    known = generate(model, helsinki, seed=1, sampling=Sampling(steps=2))
    k = S4T4.index(level)
    week = refine_level(model, helsinki, known.volumes[k], level, seed=2, sampling=Sampling(steps=2))
    np.testing.assert_array_equal(week.volumes[k], known.volumes[k])
    total = aggregate(week.volumes[-1], S4T4.space_factor(k), S4T4.time_factor(k))
    np.testing.assert_allclose(total, known.volumes[k], rtol=1e-5, atol=1)
    np.testing.assert_allclose(week.volumes[0].sum(), known.volumes[0].sum(), rtol=1e-9)
    fine, truth = week.volumes[-1].mean(0), known.volumes[-1].mean(0)
    assert spearmanr(fine.ravel(), truth.ravel())[0] > 0.6, "the detail follows the map"
    assert week.provenance["refined_from"] == level


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level": "grid50"}, "bs, cell, grid100"),
        ({"volumes": np.zeros((7, 1, 1))}, "have shape"),
        ({"volumes": "negative"}, "negative"),
        ({"volumes": "nan"}, "no numbers"),
    ],
)
def test_what_cannot_be_refined_gets_one_sentence(model, helsinki, change, words):
    volumes = np.ones((7, *helsinki.region.blocks.shape))
    if isinstance(change.get("volumes"), str):
        volumes[0, 1, 1] = {"negative": -1.0, "nan": np.nan}[change["volumes"]]
        change = {"volumes": volumes}
    with pytest.raises(OptionError, match=words):
        refine_level(model, helsinki, **{"volumes": volumes, "level": "bs"} | change)


def test_the_same_place_has_the_same_traffic_in_a_larger_region(model):
    """Noise is tied to the place, so the overlap differs only by what the map brings in from the sides."""
    layers = read_map("helsinki")
    west = build_uec(layers, Region.from_bbox((24.938, 60.166, 24.944, 60.176)))
    both = build_uec(layers, Region.from_bbox((24.938, 60.166, 24.951, 60.176)))
    a, b = (generate(model, uec, seed=5, sampling=Sampling(steps=4)).volumes[-1] for uec in (west, both))
    cols = (west.region.col - both.region.col) * 8
    rows = (west.region.row - both.region.row) * 8
    overlap = b[:, rows : rows + a.shape[1], cols : cols + a.shape[2]]
    stranger = generate(model, west, seed=6, sampling=Sampling(steps=4)).volumes[-1]

    def difference(x, y):
        return np.abs(np.log1p(x / 1e6) - np.log1p(y / 1e6)).mean()

    assert difference(a, overlap) < 0.5 * difference(a, stranger)


def test_traffic_follows_the_map_of_an_unseen_town(model, town):
    week, truth = generate(model, town, seed=1), simulate(town, 1, EUROPE).traffic
    rank = spearmanr(week.volumes[-1].mean(0).ravel(), truth.mean(0).ravel())[0]
    assert rank >= 0.6
    mean = week.volumes[-1].mean(0)
    lively = mean[np.isin(town.aoi, [AOI_INDEX[a] for a in ("residential", "commercial", "office", "mixed")])].mean()
    for quiet in ("water", "green", "farmland"):
        assert mean[town.aoi == AOI_INDEX[quiet]].mean() < 0.5 * lively
    assert week.total() == pytest.approx(truth.sum(), rel=0.5)


def test_offices_peak_by_day_and_homes_in_the_evening(model, town):
    week = np.mean([generate(model, town, seed=seed).volumes[-1] for seed in range(3)], 0)

    def profile(use):
        return week[:, town.aoi == AOI_INDEX[use]].mean(1)[:120].reshape(5, 24).mean(0)

    office, home = profile("office"), profile("residential")
    assert 9 <= office.argmax() <= 17
    assert 18 <= home.argmax() <= 23
    assert office[3] < 0.5 * office[12] and home[3] < 0.5 * home[21]


def test_nothing_on_the_map_means_silence(model):
    region = Region.from_bbox((18.0, 58.5, 18.02, 58.51))
    sea = UEC(
        region=region,
        structure=np.zeros((len(STRUCTURE), *region.shape), np.float32),
        aoi=np.full(region.shape, AOI_INDEX["water"], np.int8),
        poi=np.zeros((len(POI_CATEGORIES), *region.shape), np.float32),
        population=np.zeros((168, *region.shape), np.float32),
        sources=("open sea",),
    )
    week = generate(model, sea, seed=1)
    assert week.total() / region.km2 < 1e10  # a city centre carries ten thousand times as much


@pytest.mark.parametrize("steps", ["quick", 0, -3, 151, "1.5"])
def test_steps_out_of_range_get_one_sentence(model, helsinki, steps):
    with pytest.raises(OptionError, match="fast, full or a number from 1 to 150"):
        generate(model, helsinki, sampling=Sampling(steps=steps))


def test_what_a_callback_raises_ends_the_run(model, helsinki):
    class Cancelled(Exception):
        pass

    def cancel(k, step, steps):
        raise Cancelled

    with pytest.raises(Cancelled):
        generate(model, helsinki, callbacks=Callbacks(on_step=cancel))
