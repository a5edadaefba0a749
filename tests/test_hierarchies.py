"""Models of other levels, and of stages of other lengths, than the shipped one's."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from zoomdiff.analysis.ensemble import again
from zoomdiff.checkpoint import new_network
from zoomdiff.context import UEC, build_uec
from zoomdiff.context.procedural import procedural_map
from zoomdiff.diffusion.design import Design, setting
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.errors import OptionError
from zoomdiff.generation import (
    FAST,
    POWER,
    ensemble,
    fast_strides,
    generate,
    refine,
    refine_level,
    stride_powers,
    watch,
)
from zoomdiff.levels import S4T4, aggregate
from zoomdiff.measured.traffic import MeasuredTraffic
from zoomdiff.region import Region
from zoomdiff.sampling import Plan, Sampling

SETTINGS = [
    *(("S4T3", preference) for preference in ("uniform", "coarse", "fine")),
    *(("S3T4", preference) for preference in ("uniform", "coarse", "fine")),
    ("S3T2", "fine"),
    ("S4T1", "fine"),
]
each_setting = pytest.mark.parametrize("name", SETTINGS, ids=" ".join)
STEPS = 60  # of all stages together, a tenth of the shipped model's
MAP = procedural_map(5, kilometres=1.6)


def untrained(name: tuple[str, str]) -> DRDM:
    """A small model whose outputs are not all zero."""
    hierarchy, nodes = setting(*name, STEPS)
    torch.manual_seed(0)
    network = new_network(hierarchy, Design(nodes=nodes), channels=8, blocks=1)
    for head in network.unfold:
        torch.nn.init.normal_(head.weight, std=0.1)
    return DRDM(network.eval(), ResidualPrior(hierarchy, 2e5, (LevelStats(1.5, 1.0, -1.5, 5.0, 0.5),) * len(hierarchy)))


def town(model: DRDM) -> UEC:
    return build_uec(MAP, Region.from_bbox(MAP.extent, hierarchy=model.hierarchy))


def test_the_shipped_models_strides_are_those_that_were_measured():
    assert FAST == fast_strides(S4T4) == (30, 20, 10, 8)
    assert POWER == stride_powers(S4T4) == (1.5, 1.0, 1.0, 1.0)


def test_strides_follow_the_level_and_not_its_number():
    assert fast_strides(setting("S3T4", "fine")[0]) == (20, 10, 8, 8)
    assert fast_strides(setting("S3T4", "uniform")[0]) == (20, 20, 10, 10, 8, 8)
    assert fast_strides(setting("S3T2", "fine")[0]) == (30, 20, 10)
    assert fast_strides(setting("S4T3", "coarse")[0]) == (30, 20, 10, 8)
    assert stride_powers(setting("S3T2", "fine")[0]) == (1.5, 1.0, 1.0)


@each_setting
def test_every_hierarchy_samples(name):
    model = untrained(name)
    uec, hierarchy = town(model), model.hierarchy
    for steps in ("fast", "full", 2):
        week = generate(model, uec, seed=1, sampling=Sampling(steps=steps))
        assert [x.shape[0] for x in week.volumes] == [168 // level.hours for level in hierarchy]
        assert week.total() > 0
        for k in range(len(hierarchy) - 1):
            np.testing.assert_array_equal(aggregate(week.volumes[k + 1], *hierarchy.between(k, k + 1)), week.volumes[k])
    most = min(model.design.stage_steps(k) for k in range(len(hierarchy)))
    with pytest.raises(OptionError, match=f"from 1 to {most} per level"):
        generate(model, uec, sampling=Sampling(steps=most + 1))


@each_setting
def test_every_hierarchy_refines_is_watched_and_sampled_again(name):
    model = untrained(name)
    uec, fast = town(model), Sampling(steps=2)
    week, other = ensemble(model, uec, [1, 2], sampling=fast)
    tiled = generate(model, uec, seed=1, sampling=replace(fast, tile=model.hierarchy.block))
    np.testing.assert_allclose(tiled.volumes[0], week.volumes[0], rtol=1e-3)
    np.testing.assert_array_equal(again(model, week, uec, 2).volumes[-1], other.volumes[-1])

    level = model.hierarchy[len(model.hierarchy) - 2].name
    k = model.hierarchy.index(level)
    refined = refine_level(model, uec, week.volumes[k], level, sampling=fast)
    np.testing.assert_array_equal(refined.volumes[k], week.volumes[k])

    seen = {}
    watch(model, uec, k, [0, 1], seen.__setitem__, sampling=fast)
    assert list(seen) == [1, 0] and seen[0].shape == week.volumes[k].shape
    with pytest.raises(OptionError, match="no level"):
        watch(model, uec, len(model.hierarchy), [0], seen.__setitem__, sampling=fast)


def test_a_region_of_other_levels_gets_one_sentence():
    model, other = untrained(("S3T2", "fine")), build_uec(MAP, Region.from_bbox(MAP.extent))
    measured = MeasuredTraffic.__new__(MeasuredTraffic)  # refused before it is looked at
    for run in (
        lambda: generate(model, other),
        lambda: ensemble(model, other, [1]),
        lambda: refine_level(model, other, np.ones((7, 4, 4)), "bs"),
        lambda: refine(model, other, measured),
        lambda: watch(model, other, 0, [0], print),
    ):
        with pytest.raises(OptionError, match=r"400 m/2 h, 200 m/1 h.*made for 400 m/24 h.*hierarchy=model\.hierarchy"):
            run()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sampler": "euler"}, "sampler 'euler' is unknown: use one of ancestral, ddim, dpm"),
        ({"budget": (2, 0, 2)}, "a whole number from 1"),
        ({"budget": (2, 1.5, 2)}, "a whole number from 1"),
        ({"power": (1.0, 1.0)}, "2 powers do not fit 3 stages"),
        ({"power": float("nan")}, "power"),
        ({"power": 1e300}, "power of the strides must be a number from 0.01 to 100, not 1e"),
        ({"spread": 1e300}, "spread must be a number from 0 to 100"),
        ({"prior_noise": 1e300}, "prior noise must be a number from 0 to 100"),
        ({"guidance": 1e300}, "guidance must be a number from 0 to 100"),
        ({"power": (1.0, 0.0, 1.0)}, "power"),
        ({"spread": -0.1}, "[Ss]pread"),
        ({"prior_noise": float("inf")}, "prior noise"),
        ({"guidance": float("nan")}, "guidance must be a number from 0 to 100, not nan"),
        ({"tile": 0}, "whole number of cells from 1, or None, not 0"),
    ],
)
def test_a_plan_that_cannot_be_walked_is_refused_at_once(wrong, words):
    with pytest.raises(OptionError, match=words):
        Plan(**{"budget": (2, 2, 2)} | wrong)


def test_a_plan_for_other_stages_is_refused():
    model = untrained(("S3T2", "fine"))
    uec = town(model)
    with pytest.raises(OptionError, match="strides for 4 stages, and the model has 3"):
        ensemble(model, uec, [1], sampling=Sampling(steps=Plan((1, 1, 1, 1))))
    with pytest.raises(OptionError, match="Stage 2 has 20 steps: it cannot take 21 strides"):
        generate(model, uec, sampling=Sampling(steps=Plan((1, 21, 1))))
    for wrong in ({"guidance": float("inf")}, {"tile": 0}, {"tile": -8}):
        with pytest.raises(OptionError):
            generate(model, uec, sampling=Sampling(**wrong))


def test_a_plan_from_json_is_the_same():
    plan = Plan((1, 2, 3), "ancestral", (1.5, 1.0, 1.0))
    assert Plan(**json.loads(json.dumps(vars(plan)))) == plan
