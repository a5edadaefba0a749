import csv
import json
import math
import pickle
import shutil
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from zoomdiff.checkpoint import SHIPPED, described, load_model
from zoomdiff.context import build_uec
from zoomdiff.context.procedural import procedural_map
from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.design import Design
from zoomdiff.errors import CheckpointError, DataError, OptionError
from zoomdiff.generation import generate
from zoomdiff.levels import S4T4, aggregate
from zoomdiff.region import Region
from zoomdiff.sampling import Sampling
from zoomdiff.simulator.city import EUROPE, simulate
from zoomdiff.training.config import CONFIGS, TrainConfig, read_config
from zoomdiff.training.patches import TrainingCity, fit_prior, random_patches
from zoomdiff.training.splits import Split, held_out_split, write_splits
from zoomdiff.training.train import STATE, balanced, learning_rate, train
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


def test_a_split_without_a_block_to_train_on_is_refused(tmp_path):
    layers = procedural_map(0, kilometres=1.2)
    split = held_out_split(Region.from_bbox(layers.extent))
    write_splits(tmp_path / "splits.json", {layers.name: split})
    config = TrainConfig(towns=1, weeks=1, splits=str(tmp_path / "splits.json"))
    with pytest.raises(OptionError, match="split keeps all of fictional town 0 for testing: train on other maps"):
        train(tmp_path / "run", config, device="cpu", say=lambda text: None)


@pytest.mark.parametrize(
    ("volume", "words"), [(0.0, "no traffic to learn from"), (1000.0, "nothing to learn at level bs")]
)
def test_traffic_without_anything_to_learn_is_refused(volume, words, town):
    flat = replace(town, weeks=[[torch.full_like(x, volume) for x in week] for week in town.weeks])
    with pytest.raises(DataError, match=words):
        fit_prior([flat], Design())


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
        ('towns = "three"', "setting towns must be a whole number from 0 to 10,000, not 'three'"),
        ("towns = true", "setting towns"),
        ("towns 3", "not a TOML file"),
        ("a = " + "[" * 5000, "not a TOML file"),
        ('[design]\nprior = "some"', "prior must be one of none; noise; blend; residual, not 'some'"),
        ("[design]\nsome = 1", "there is no setting 'some'"),
        ("[design]\nnodes = []", "nodes must be"),
        ("[design]\nlatent = -1", "latent must be a whole number from 1 to 4,096, not -1"),
        ("design = 5", r"\[design\] must be a table of the design's settings, not 5"),
        ("design = []", r"\[design\] must be a table"),
        ('setting = "nope"', "setting setting must be one of S4T4; .*, not 'nope'"),
        ('preference = "nope"', "setting preference must be one of uniform; coarse; fine, not 'nope'"),
        ("presets = []", "setting presets must be a list of china and europe, or of one of them"),
        ('presets = ["china", "china"]', "setting presets must be"),
        ("presets = [1]", "There is no preset 1"),
        ("own_weeks = [1]", r"setting own_weeks must be a list of texts, not \(1,\)"),
        ('maps = "firenze"', "setting maps must be a list of texts, not 'firenze'"),
        ("init = 5", "setting init must be text"),
        (f"seed = 0x1{'0' * 5000}", "seed must be a whole number from 0 to 2"),
        (f"seed = 1{'0' * 5000}", "a number in it has thousands of digits"),
        ("learning_rate = 1e300", "setting learning_rate must be a number from 0 to 10, not 1e"),
        ("channels = 2_000_000_000", "setting channels must be a whole number from 1 to 65,536, not 2000000000"),
        ("blocks = 1e6", "setting blocks must be a whole number from 1 to 1,000, not 1000000.0"),
        ("weeks = 2_000_000_000", "setting weeks must be a whole number from 1 to 1,000"),
        ("ema = 5", "setting ema must be a number from 0 to 1, not 5"),
        ("real_share = nan", "setting real_share must be a number from 0 to 1, not nan"),
        ("condition_drop = nan", "setting condition_drop must be a number from 0 to 1, not nan"),
        ("noise_power = 0", "setting noise_power must be a number from 0.01 to 100, not 0"),
        (None, "give a TOML file or one of quick, shipped"),
    ],
)
def test_a_bad_configuration_gets_one_sentence(tmp_path, text, words):
    file = tmp_path / "my.toml"
    if text:
        file.write_text(text)
    with pytest.raises(OptionError, match=words):
        read_config(str(file))


@pytest.mark.parametrize("kind", [TrainConfig, Design])
@pytest.mark.parametrize(
    "value",
    [-1, 0.5, math.nan, math.inf, 1e300, 10**30, 10**6000, "nope", "two\nlines", (), (1,), ([],), {}, True, Design],
    ids=lambda value: repr(value)[:20] if value != 10**6000 else "10**6000",
)
def test_every_setting_takes_what_it_can_be_or_says_what_that_is(kind, value):
    taken = 0
    for field in fields(kind):
        try:
            kind(**{field.name: value})
        except OptionError as error:
            assert str(error).endswith(".") and "\n" not in str(error) and len(str(error)) < 250
        else:
            taken += 1
    assert taken <= 5, "most settings are of another kind"


@pytest.mark.parametrize("name", ["shipped", "quick"])
def test_a_configuration_that_comes_with_the_package_has_its_own_name(name):
    assert read_config(name) == read_config(str(CONFIGS / f"{name}.toml"))


def test_a_name_that_is_too_long_for_a_file_is_one_sentence():
    with pytest.raises(OptionError, match="There is no configuration 'xxx"):
        read_config("x" * 5000)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"channels": 60_000, "blocks": 1000}, "60,000 channels and 1,000 blocks has more than 2,147,483,648 bytes"),
        ({"init": "shipped", "setting": "S3T2"}, "The weights shipped have other levels than S3T2"),
    ],
)
def test_a_network_that_cannot_be_is_refused_before_a_map_is_read(settings, words, tmp_path, monkeypatch):
    monkeypatch.setattr("zoomdiff.training.train.gather_cities", lambda *args: pytest.fail("looked for maps"))
    with pytest.raises(OptionError, match=words):
        train(tmp_path / "run", replace(TINY, **settings), device="cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder of a run that ended."""
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoomdiff.training.train.procedural_map", partial(procedural_map, kilometres=1.2))
        train(out, TINY, device="cpu", say=lambda text: None)
    return out


def bomb(path: Path) -> None:
    """100 MB of zeros in a small file."""
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=1) as file, file.open("state/data.pkl", "w") as entry:
        for _ in range(10):
            entry.write(bytes(10_000_000))


def changed(**changes):
    """A state with some other values."""

    def change(path: Path) -> None:
        state = torch.load(path, weights_only=True)
        torch.save(state | {name: value(state[name]) for name, value in changes.items()}, path)

    return change


def of_others(optimiser: dict) -> dict:
    moments = {number: {name: torch.zeros(3, 3) for name in one} for number, one in optimiser["state"].items()}
    return optimiser | {"state": moments}


class Greedy:
    """Small in a pickle, and a gigabyte where it is unpickled."""

    def __reduce__(self) -> tuple:
        return bytearray, (10**9,)


STATES = {
    "nothing": lambda path: path.write_bytes(b""),
    "no zip": lambda path: path.write_bytes(pickle.dumps({"step": 1})),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "other objects": lambda path: torch.save({"step": Path("/tmp")}, path),
    "an object of a gigabyte": lambda path: torch.save({"step": Greedy()}, path),
    "a list": lambda path: torch.save([1, 2], path),
    "another network": changed(network=lambda weights: {}),
    "moments of others": changed(optimiser=of_others),
    "no optimiser": changed(optimiser=lambda optimiser: {}),
    "moments of no weights": changed(optimiser=lambda optimiser: {"state": {999: optimiser["state"][0]}}),
    "too many steps": changed(step=lambda step: 10**9),
    "steps before the first": changed(step=lambda step: -1),
    "half a step": changed(step=lambda step: 1.5),
    "no seconds": changed(seconds=lambda seconds: math.nan),
    "a log of text": changed(log=lambda log: "log"),
    "a log of other rows": changed(log=lambda log: [[1, 2]]),
}


@pytest.mark.parametrize("damage", STATES)
def test_a_damaged_state_is_one_sentence(damage, run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / "run")
    STATES[damage](tmp_path / "run" / STATE)
    if "object" in damage:
        monkeypatch.setattr(torch, "load", lambda *args, **options: pytest.fail("loaded"))
    with pytest.raises(OptionError, match=r"state\.pt is damaged, so the run cannot be resumed"):
        train(tmp_path / "run", TINY, resume=True, device="cpu", say=lambda text: None)


@pytest.mark.parametrize("change", [bomb, changed(network=lambda weights: {"more": torch.zeros(10_000_000)})])
def test_a_state_of_more_bytes_than_the_run_has_is_not_loaded(change, run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / "run")
    change(tmp_path / "run" / STATE)
    monkeypatch.setattr(torch, "load", lambda *args, **options: pytest.fail("loaded"))
    with pytest.raises(OptionError, match="was started with other settings"):
        train(tmp_path / "run", TINY, resume=True, device="cpu", say=lambda text: None)


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
