import csv
import json
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from zoomdiff.checkpoint import SHIPPED, described, load_model
from zoomdiff.context import build_uec
from zoomdiff.context.procedural import procedural_map
from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.design import Design
from zoomdiff.errors import CheckpointError, OptionError
from zoomdiff.generation import generate
from zoomdiff.levels import S4T4, aggregate
from zoomdiff.region import Region
from zoomdiff.sampling import Sampling
from zoomdiff.simulator.city import EUROPE, simulate
from zoomdiff.training.config import TrainConfig, read_config
from zoomdiff.training.patches import TrainingCity, fit_prior, random_patches
from zoomdiff.training.splits import Split, write_splits
from zoomdiff.training.train import balanced, learning_rate, train
from zoomdiff.week import TrafficWeek

TINY = TrainConfig(towns=1, weeks=1, steps=8, cells=128, warmup=2, save_every=4, channels=16, blocks=1)


@pytest.fixture(autouse=True)
def small_towns(monkeypatch):
    """Towns of nine blocks to train on; the simulator takes seconds for one of the usual size."""
    monkeypatch.setattr("zoomdiff.training.train.procedural_map", partial(procedural_map, kilometres=1.2))


@pytest.fixture(scope="module")
def town() -> TrainingCity:
    layers = procedural_map(1, kilometres=1.6)
    return TrainingCity.simulated(build_uec(layers, Region.from_bbox(layers.extent)), range(2), "china")


def test_patches_cut_the_same_ground_at_both_levels(town):
    rng = np.random.default_rng(0)
    for k in range(4):
        patches = random_patches([town], k, 3, 5, rng)
        assert patches.x_k.shape[:1] == (5,) and patches.x_k.shape[1] == 168 // S4T4[k].hours
        assert patches.conditions.population.shape == patches.x_k.shape
        if k:
            again = aggregate(patches.x_k, *S4T4.between(k - 1, k))
            torch.testing.assert_close(again, patches.coarser, rtol=1e-4, atol=1e3)
        else:
            assert patches.coarser is None


def test_patches_turn_map_and_traffic_together(town):
    """The population of a patch explains its traffic wherever and however it was cut, and not if one is mirrored."""
    patches = random_patches([town], 1, 2, 16, np.random.default_rng(1))
    people = torch.log1p(patches.conditions.population.mean(1))

    def explained(traffic):
        return torch.corrcoef(torch.stack([people.flatten(), torch.log1p(traffic.mean(1) / 1e5).flatten()]))[0, 1]

    assert explained(patches.x_k) > 0.6
    for mirrored in (patches.x_k.flip(-1), patches.x_k.flip(-2), patches.x_k.transpose(-1, -2)):
        assert explained(mirrored) < explained(patches.x_k) - 0.1


def test_the_fitted_code_has_unit_variance(town):
    prior = fit_prior([town], Design())
    for k in range(4):
        y = torch.cat([prior.encode(week[k], k).flatten() for week in town.weeks])
        assert abs(y.mean()) < 1e-3 and abs(y.std(correction=0) - 1) < 1e-3
        assert prior.stats[k].low <= y.min() + 1e-4 and y.max() - 1e-4 <= prior.stats[k].high
    assert prior.stats[0].residual_std == pytest.approx(1)
    assert all(0 < s.residual_std < 1 for s in prior.stats[1:])


def test_a_rhythm_is_measured_where_it_is_wanted(town):
    plain, rhythmic = (fit_prior([town], Design(state_filter=name)) for name in ("none", "wiener"))
    assert all(stats.rhythm is None for stats in plain.stats)
    for k, stats in enumerate(rhythmic.stats):
        assert replace(stats, rhythm=None) == plain.stats[k]
        mean_day, about = np.array(stats.rhythm.variance).mean(0)
        assert mean_day.max() > 3 * about.max(), "days are more alike than they differ"


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path):
    quiet = {"device": "cpu", "say": lambda text: None}
    whole = train(tmp_path / "whole", TINY, **quiet)

    class PowerCut(Exception):
        pass

    def cut(step, loss):
        if step == 6:
            raise PowerCut

    with pytest.raises(PowerCut):
        train(tmp_path / "broken", TINY, on_step=cut, **quiet)
    resumed = train(tmp_path / "broken", TINY, resume=True, **quiet)
    a, b = load_file(whole), load_file(resumed)
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-6)
    with (tmp_path / "broken" / "loss.csv").open() as log:
        rows = list(csv.DictReader(log))
    assert {int(row["step"]) for row in rows} == {4, 8} and {row["set"] for row in rows} == {"train"}
    assert {row["level"] for row in rows} <= {level.name for level in S4T4}
    assert all(float(row["loss"]) > 0 for row in rows)

    about = json.loads(resumed.with_suffix(".json").read_text())
    assert about["train"]["steps"] == 8 and about["steps_done"] == 8
    model = load_model(resumed, device="cpu")
    assert model.hierarchy == S4T4 and not model.network.training
    with pytest.raises(OptionError, match="already holds a run"):
        train(tmp_path / "whole", TINY, **quiet)
    with pytest.raises(OptionError, match="other settings"):
        train(tmp_path / "whole", TrainConfig(towns=1, steps=9), resume=True, **quiet)
    with pytest.raises(OptionError, match="no run to resume"):
        train(tmp_path / "nothing", TINY, resume=True, **quiet)


def test_learning_rate_warms_up_and_comes_down():
    config = TrainConfig(steps=1000, warmup=100, learning_rate=1e-3)
    rates = [learning_rate(step, config) for step in range(1000)]
    assert rates[0] == pytest.approx(1e-5) and max(rates) == pytest.approx(1e-3) and rates[-1] < 1e-8


def test_weights_that_are_not_there_or_damaged_get_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_model(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"not weights")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(tmp_path / "bad.safetensors")


def test_conditions_batch_and_map():
    arrays = (np.ones((9, 16, 16)), np.zeros((16, 16), np.int8), np.ones((10, 16, 16)), np.ones((168, 16, 16)))
    one, other = (Conditions.from_arrays(*arrays, aoi_classes=12, preset=preset) for preset in (0, 1))
    both = Conditions.batch([one, other]).map(lambda x: x[..., 0:8, 8:16])
    assert both.aoi.shape == (2, 12, 8, 8) and both.population.shape == (2, 168, 8, 8)
    assert both.to(torch.device("cpu")).preset.tolist() == [0, 1]


@pytest.mark.parametrize(
    "config",
    [
        {"setting": "S3T2", "preference": "uniform"},
        {"setting": "S3T4"},
        {"design": Design("CN,CA,CD", prior="noise", prediction="eps", latent=4, spe=False)},
        {"design": Design(state_filter="wiener")},
    ],
)
def test_other_settings_and_designs_train_save_load_and_sample(config, tmp_path):
    config = TrainConfig(towns=1, weeks=1, steps=6, cells=128, warmup=2, channels=8, blocks=1, **config)
    model = load_model(train(tmp_path, config, device="cpu", say=lambda text: None), device="cpu")
    assert model.hierarchy == config.hierarchy and model.design.scheme == config.design.scheme
    assert all((stats.rhythm is not None) == (model.design.state_filter == "wiener") for stats in model.prior.stats)
    layers = procedural_map(1, kilometres=1.6)
    week = generate(
        model, build_uec(layers, Region.from_bbox(layers.extent, hierarchy=model.hierarchy)), sampling=Sampling(steps=2)
    )
    assert len(week.volumes) == len(config.hierarchy)
    assert week.total(0) == pytest.approx(week.total(-1))


def test_a_split_of_another_extent_is_refused(tmp_path):
    write_splits(tmp_path / "splits.json", {"fictional town 0": Split(32632, 1, 2, ("...",))})
    config = TrainConfig(towns=1, weeks=1, splits=str(tmp_path / "splits.json"))
    with pytest.raises(OptionError, match="another extent"):
        train(tmp_path / "run", config, device="cpu", say=lambda text: None)


def test_fine_tuning_on_known_traffic_starts_from_the_weights_given_and_fits_it_better(tmp_path, monkeypatch):
    """A week that is ten times the simulator's: few steps from trained weights come nearer to it than the start was."""
    layers = procedural_map(1, kilometres=1.6)
    uec = build_uec(layers, Region.from_bbox(layers.extent))
    week = np.round(10 * simulate(uec, 3, EUROPE).traffic.astype(float) * uec.region.mask())
    pyramid = TrafficWeek(uec.region, tuple(S4T4.pyramid(week)))
    *_, path = pyramid.save(tmp_path / "own")
    monkeypatch.setattr("zoomdiff.training.train.read_map", lambda source, bbox=None: layers)
    config = TrainConfig(
        maps=("a map",),
        own_weeks=(str(path),),
        init="shipped",
        presets=("europe",),
        towns=0,
        steps=40,
        cells=128,
        learning_rate=3e-4,
        warmup=10,
    )
    tuned = load_model(train(tmp_path / "run", config, device="cpu", say=lambda text: None), device="cpu")
    shipped = load_model(SHIPPED, device="cpu")
    assert tuned.prior == shipped.prior and tuned.design == shipped.design
    assert shipped.trained_on == "simulated traffic calibrated to open measurements"
    assert tuned.trained_on == "known traffic (own/grid50.geojson), starting from the shipped weights, trained on " + (
        shipped.trained_on
    )
    totals = [generate(model, uec, seed=0, sampling=Sampling(steps=4)).total() for model in (shipped, tuned)]
    errors = [abs(np.log(total / week.sum())) for total in totals]
    assert errors[1] < 0.8 * errors[0]

    with pytest.raises(OptionError, match=r"give a grid50\.geojson"):
        train(tmp_path / "other", replace(config, own_weeks=(str(tmp_path / "own" / "bs.geojson"),)), device="cpu")


def test_bad_weights_to_start_from_leave_no_folder_behind(tmp_path):
    with pytest.raises(CheckpointError):
        train(tmp_path / "run", replace(TINY, init=str(tmp_path / "none.safetensors")), device="cpu")
    assert not (tmp_path / "run").exists()


def test_real_maps_make_up_their_share_of_the_patches(town):
    """However many procedural towns there are besides."""
    cities = balanced([town] + [replace(town) for _ in range(9)], real=1, share=0.5)
    blocks = [city.weight * city.inhabited.sum() for city in cities]
    assert blocks[0] / sum(blocks) == pytest.approx(0.5)
    assert balanced([town], real=1, share=0.5) == [town], "alone they are all of them"


def test_rare_uses_are_shown_more_often_than_common_ones(town):
    share = town.conditions[0].aoi[0].numpy() * town.inhabited
    assert town.interest[town.inhabited].mean() == pytest.approx(1)
    assert (town.interest[~town.inhabited] == 0).all()
    area = share.sum((1, 2))
    rare, common = np.argmin(np.where(area > 0, area, np.inf)), np.argmax(area)
    shown = [(share[use] * town.interest).sum() / area[use] for use in (rare, common)]
    assert shown[0] > 1 and shown[0] > shown[1]


def test_a_configuration_comes_from_a_file_and_options_go_before_it(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text('towns = 3\nlearning_rate = 1\npresets = ["china"]\n[design]\nprior = "none"\nspe = false\n')
    config = read_config(str(file))
    assert (config.towns, config.presets, config.design.prior, config.design.spe) == (3, ("china",), "none", False)
    assert config.weeks == TrainConfig().weeks
    assert read_config("shipped").held_out and read_config("quick").channels < TrainConfig().channels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("town = 3", "no setting 'town'"),
        ('towns = "three"', "towns must be like 8"),
        ("towns = true", "towns must be like 8"),
        ("towns 3", "not a TOML file"),
        ('[design]\nprior = "some"', "there is no prior 'some'"),
        (None, "give a TOML file or one of quick, shipped"),
    ],
)
def test_a_bad_configuration_gets_one_sentence(tmp_path, text, words):
    file = tmp_path / "my.toml"
    if text:
        file.write_text(text)
    with pytest.raises(OptionError, match=words):
        read_config(str(file))


@pytest.mark.parametrize(
    ("config", "start", "words"),
    [
        ({}, None, "simulated traffic calibrated to open measurements"),
        ({"own_weeks": ("/data/milan/grid50.geojson",), "towns": 0}, None, "known traffic (milan/grid50.geojson)"),
        (
            {"own_weeks": ("a/grid50.geojson", "b/grid50.geojson")},
            None,
            "known traffic (a/grid50.geojson, b/grid50.geojson) and simulated traffic calibrated to open measurements",
        ),
        (
            {"own_weeks": ("a/grid50.geojson",), "towns": 0, "init": "w/mine.safetensors"},
            "rain",
            "known traffic (a/grid50.geojson), starting from mine.safetensors, trained on rain",
        ),
    ],
)
def test_what_a_model_learned_from_is_known_by_its_configuration(config, start, words):
    assert described(asdict(TrainConfig(**config)), start) == words


def test_without_a_record_nothing_is_claimed():
    assert described(None) is None
    assert described({"init": "a.safetensors"}).endswith("starting from a.safetensors, trained on unrecorded data")
    assert described({"init": "shipped"}, "roads").endswith("starting from the shipped weights, trained on roads")
