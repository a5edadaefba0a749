"""What the benchmarks run and how they count; not what comes out."""

import numpy as np
import pytest

from benchmarks.paper import ablation, held_out, sampling
from benchmarks.perf.speed import city, frame_of, paved
from zoomdiff.checkpoint import load_model
from zoomdiff.context import build_uec
from zoomdiff.context.procedural import procedural_map
from zoomdiff.diffusion.samplers import SAMPLERS
from zoomdiff.diffusion.schedule import few_steps
from zoomdiff.levels import S4T4
from zoomdiff.region import Region
from zoomdiff.training.patches import TrainingCity


@pytest.mark.parametrize(
    ("blocks", "frame"), [(1, (1, 1)), (7, (1, 7)), (50, (5, 10)), (500, (20, 25)), (5000, (50, 100))]
)
def test_a_frame_has_exactly_the_blocks_asked_for(blocks, frame):
    assert frame_of(blocks) == frame


@pytest.mark.parametrize("shape", [(1, 2), (2, 3), (5, 7)])
def test_paving_repeats_and_cuts(shape):
    raster = np.arange(12).reshape(2, 2, 3)
    np.testing.assert_array_equal(paved(raster, shape), np.tile(raster, (1, 3, 3))[:, : shape[0], : shape[1]])


@pytest.mark.parametrize("blocks", [1, 60])
def test_a_city_of_any_size_is_whole(blocks):
    region = city(blocks, S4T4).region
    assert region.blocks.all() and region.blocks.sum() == blocks


def test_every_plan_of_the_sampling_table_can_be_walked():
    for name, plan in sampling.plans().items():
        if not isinstance(plan, str):
            walks = [few_steps(150, plan.budget[k], plan.power_of(k)) for k in range(4)]
            assert all(walk[0] == 150 and walk[-1] == 0 for walk in walks), name
            assert plan.sampler in SAMPLERS


def test_main_rows_of_the_ablation_exist_and_rows_that_share_a_training_have_one_configuration():
    variants = ablation.variants()
    assert set(ablation.MAIN) <= set(variants)
    base = [name for name, variant in variants.items() if variant.config == ablation.BASE]
    assert {"prior/residual, v", "stpe/TPE & SPE", "scheme/SN,SA,SD", "conservation/off"} <= set(base)


def test_the_table_is_a_mean_over_seeds():
    levels = {name: {"MAE": 1.0, "CRPS": value} for name, value in (("bs", 2.0), ("grid50", 3.0))}
    others = {name: figures | {"CRPS": figures["CRPS"] + 2} for name, figures in levels.items()}
    text = ablation.tables(
        [{"name": "a/x", "seed": seed, "levels": each, "gap": 0.25} for seed, each in enumerate((levels, others))]
    )
    row = next(line for line in text.splitlines() if line.startswith("| x"))
    assert "3.00 ± 1.41" in row and "4.00 ± 1.41" in row and "0.25" in row and row.rstrip("| ").endswith("2")


@pytest.mark.parametrize("name", ["regression", "retrained"])
def test_models_to_compare_with_start_from_the_shipped_weights(name, tmp_path):
    layers = procedural_map(3, kilometres=1.6)
    town = TrainingCity.simulated(build_uec(layers, Region.from_bbox(layers.extent)), range(1), "europe")
    held_out.TRAINED[name]([town], 1, 128, tmp_path / "model.safetensors")
    model, shipped = load_model(tmp_path / "model.safetensors", device="cpu"), load_model(device="cpu")
    fine, theirs = model.network.unfold[-1].weight, shipped.network.unfold[-1].weight
    assert fine.shape == theirs.shape and (fine - theirs).abs().max() < 2e-3  # one step away
    assert model.hierarchy == (S4T4 if name == "regression" else held_out.TWO)
    if name == "retrained":
        assert model.prior.stats[1].residual_std > shipped.prior.stats[-1].residual_std, "more is left to say at once"


def test_the_first_level_alone_and_refinement_are_what_a_whole_week_goes_through():
    layers = procedural_map(3, kilometres=1.2)
    uec = build_uec(layers, Region.from_bbox(layers.extent))
    model = load_model(device="cpu")
    week = sampling.whole(model, uec, 0, [], steps=2)
    alone = sampling.first(model, uec, 0, [], steps=2)
    np.testing.assert_allclose(alone["bs"], week["bs"], rtol=1e-5, atol=1e-5)
    finer = sampling.refined(model, uec, 0, [week["bs"]], steps=2)
    np.testing.assert_allclose(finer["grid50"].sum(), week["bs"].sum())
    row = sampling.measure(lambda seed: finer, week, 2)
    assert row["± grid50"] == 0 and row["volume"] == pytest.approx(1)
