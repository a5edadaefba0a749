"""reproduce.json: a week is made again to the byte, and what cannot be is said in a sentence."""

import copy
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import zoomdiff as zd
from zoomdiff.checkpoint import load_model, new_network, save_model
from zoomdiff.cli import main
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.errors import OptionError
from zoomdiff.export.formats import FORMATS, Export, to_bytes
from zoomdiff.export.reproduce import Inputs, read_reproduce, to_reproduce
from zoomdiff.generation import generate
from zoomdiff.levels import S4T4
from zoomdiff.sampling import Plan, Sampling

ROOT = Path(__file__).parents[2]
BOX = ["--bbox", "24.9390,60.1660,24.9440,60.1680"]
SAME = "The week is the same as that of the file, byte for byte."


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A small untrained model: quick, and as good for this as any."""
    torch.manual_seed(0)
    stats = tuple(LevelStats(1.5, 1.0, -1.5, 5.0, spread) for spread in (1.0, 0.4, 0.4, 0.4))
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_model(DRDM(new_network(channels=16, blocks=1).eval(), ResidualPrior(S4T4, 2e5, stats)), path)
    return path


@pytest.fixture
def zoomdiff(weights, monkeypatch, capsys):
    """Run `zoomdiff` with the small model: (exit code, standard output and error)."""

    def run(command: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["zoomdiff", command, "--weights", str(weights), *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return left.value.code, said.out + said.err.rpartition("\r")[2]

    return run


@pytest.fixture
def file(export, tmp_path) -> Path:
    path = tmp_path / "reproduce.json"
    path.write_bytes(to_reproduce(export.week, export.uec, Inputs("helsinki")))
    return path


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (BOX, [name for name in FORMATS if name not in ("uec", "png", "geojson-long")]),
        (["--residents", "5000"], ["csv", "reproduce"]),
    ],
    ids=["a box", "the whole map"],
)
def test_generate_makes_the_same_files_again(options, names, zoomdiff, tmp_path):
    formats = ["--format", ",".join(names)]
    asked = ["--steps", "2", "--seed", "77", "--preset", "china", "--scenario", ROOT / "docs/scenario_example.geojson"]
    code, said = zoomdiff("generate", *options, *asked, *formats, "--out", tmp_path / "first")
    assert code == 0 and "with scenario_example.geojson" in said and "reproduce.json: " in said
    code, said = zoomdiff("reproduce", tmp_path / "first" / "reproduce.json", *formats, "--out", tmp_path / "again")
    assert code == 0 and SAME in said and "with its scenario" in said
    first, again = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("first", "again")
    )
    assert first == again and len(list((tmp_path / "first").iterdir())) == 4 * len(names) - 3 * len(
        {"zarr", "reproduce"} & set(names)
    )


def test_what_is_in_it(export, file):
    told = json.loads(file.read_text())
    assert told["zoomdiff"] == zd.__version__ and told["weights_sha256"] == "ab" * 32
    assert (told["seed"], told["steps"], told["preset"], told["map"]) == (0, "fast", "europe", "helsinki")
    assert told["region"]["blocks"] == ["###", "#.#", "###"] and told["region"]["epsg"] == 32635
    assert told["region"]["polygon"]["type"] == "Polygon" and told["sources"] == list(export.uec.sources)


@pytest.mark.parametrize("steps", ["fast", "7", 7, Plan((1, 2, 3, 4), "ancestral", (1.5, 1.0, 1.0, 1.0), guidance=2.0)])
def test_reading_it_undoes_writing_it(steps, weights, export, tmp_path):
    model, scenario = (
        load_model(weights, device="cpu"),
        json.loads((ROOT / "docs/scenario_example.geojson").read_text()),
    )
    guidance = 2.0 if isinstance(steps, Plan) else 1.5
    week = generate(
        model, export.uec, seed=2**63 - 1, sampling=Sampling(steps=steps, preset="china", guidance=guidance)
    )
    inputs = Inputs("osm", False, "people.tif", 5000.0, scenario)
    path = tmp_path / "reproduce.json"
    path.write_bytes(to_bytes(Export(week, export.uec, inputs=inputs), "reproduce"))
    recipe = read_reproduce(path)
    assert recipe.inputs == inputs
    assert recipe.seed == 2**63 - 1 and recipe.sampling == Sampling(steps, "china", guidance)
    assert recipe.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    for name in ("epsg", "row", "col", "hierarchy", "polygon"):
        assert getattr(recipe.region, name) == getattr(week.region, name)
    np.testing.assert_array_equal(recipe.region.blocks, week.region.blocks)
    again = generate(model, replace(export.uec, region=recipe.region), seed=recipe.seed, sampling=recipe.sampling)
    assert recipe.compare(again, export.uec) == SAME


def test_a_difference_has_a_reason(export, file, monkeypatch):
    recipe = read_reproduce(file)
    assert recipe.compare(export.week, export.uec) == SAME
    finest = export.week.volumes[-1].copy()
    finest[0, 0, 0] += 1
    other = replace(export.week, volumes=tuple(S4T4.pyramid(finest)))
    assert "the kind of machine" in recipe.compare(other, export.uec)
    assert "made by ZoomDiff 0.0.9" in replace(recipe, version="0.0.9").compare(other, export.uec)
    elsewhere = replace(export.uec, poi=export.uec.poi + 1)
    assert "the map or the population is not what it was" in recipe.compare(other, elsewhere)


def test_other_weights_are_refused_before_anything_is_made(zoomdiff, file, tmp_path):
    code, said = zoomdiff("reproduce", file, "--out", tmp_path / "out")
    assert code == 2 and "with other weights (SHA-256 abababababab...)" in said
    assert not (tmp_path / "out").exists()


def test_the_map_may_have_moved_but_somebody_must_tell_it(export, tmp_path):
    path = tmp_path / "reproduce.json"
    path.write_bytes(to_bytes(export, "reproduce"))
    recipe = read_reproduce(path)
    assert recipe.inputs_with(map="city.osm.pbf", population=Path("p.tif")) == Inputs(
        "city.osm.pbf", population="p.tif"
    )
    with pytest.raises(OptionError, match="does not say which map was used: give it as --map"):
        recipe.inputs_with(map=None, population=None)


@pytest.mark.parametrize(
    "options", [BOX, ["--seed", "1"], ["--steps", "fast"], ["--scenario", "x"], ["--preset", "china"]]
)
def test_what_the_file_decides_is_not_asked_for_besides(options, zoomdiff, file):
    code, said = zoomdiff("generate", "--reproduce", file, *options)
    assert code == 2 and said.strip() == f"Error: {options[0]} comes from the file of --reproduce: leave it out."


def test_the_old_option_of_generate_still_works_and_names_the_command(zoomdiff, file, tmp_path):
    code, said = zoomdiff("generate", "--reproduce", file, "--out", tmp_path / "out")
    assert code == 2 and "with other weights" in said, "it has read the file"
    assert "Warning: --reproduce goes away in the next release: use 'zoomdiff reproduce FILE'." in said


def test_a_refined_week_needs_its_traffic(export, tmp_path):
    path = tmp_path / "reproduce.json"
    week = replace(export.week, provenance=export.week.provenance | {"refined_from": "bs"})
    path.write_bytes(to_reproduce(week, export.uec, Inputs()))
    with pytest.raises(OptionError, match="refined from measured traffic"):
        read_reproduce(path)


DAMAGES = {
    "no JSON": lambda told: "{",
    "a list": lambda told: [],
    "no region": lambda told: told.pop("region") and told,
    "no blocks": lambda told: told["region"].update(blocks=["...", "..."]) or told,
    "ragged blocks": lambda told: told["region"].update(blocks=["##", "#"]) or told,
    "other signs": lambda told: told["region"].update(blocks=["#x"]) or told,
    "not on Earth": lambda told: told["region"].update(row=10**9) or told,
    "no UTM": lambda told: told["region"].update(epsg=3857) or told,
    "no polygon": lambda told: told["region"].update(polygon={"type": "Polygon"}) or told,
    "seed in words": lambda told: told.update(seed="seven") or told,
    "map as a number": lambda told: told.update(map=7) or told,
    "steps as a list": lambda told: told.update(steps=[1]) or told,
    "unknown plan": lambda told: told.update(steps={"budget": [1], "what": 2}) or told,
    "deep": lambda told: "[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_gets_one_sentence(damage, zoomdiff, file, tmp_path):
    told = DAMAGES[damage](copy.deepcopy(json.loads(file.read_text())))
    file.write_text(told if isinstance(told, str) else json.dumps(told))
    code, said = zoomdiff("reproduce", file, "--out", tmp_path / "out")
    assert code == 2 and said.strip() == (
        "Error: reproduce.json is not a reproduce.json that ZoomDiff wrote: export it again."
    )


def test_a_file_that_is_not_there_gets_one_sentence(zoomdiff, tmp_path):
    code, said = zoomdiff("reproduce", tmp_path / "nowhere.json")
    assert code == 2 and "nowhere.json cannot be read: No such file" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--format", "shapefile"], "no format 'shapefile'"), (["--hours", "9"], "no part of the week")],
)
def test_bad_options_get_one_sentence_and_no_folder(options, words, zoomdiff, tmp_path):
    code, said = zoomdiff("generate", *BOX, *options, "--out", tmp_path / "out")
    assert code == 2 and words in said and said.count("\n") == 1 and not (tmp_path / "out").exists()
