"""Training, top to bottom: configuration, cities, network, loop, log, weights."""

import csv
import json
import math
import pickletools
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import cast
from zipfile import ZipFile

import numpy as np
import torch

from zoomdiff.arguments import number, whole
from zoomdiff.checkpoint import SHIPPED, described, imagined, load_model, new_network, save_model
from zoomdiff.context import MapLayers, build_uec, read_map
from zoomdiff.context.procedural import procedural_map
from zoomdiff.device import autocast, pick_device
from zoomdiff.diffusion.design import Design, setting
from zoomdiff.diffusion.drdm import DRDM, hnap_loss
from zoomdiff.diffusion.network import DayTokenNetwork
from zoomdiff.errors import OptionError
from zoomdiff.export import read_geojson
from zoomdiff.files import target, whole_set
from zoomdiff.isolation import check_file
from zoomdiff.levels import S4T4
from zoomdiff.region import Region
from zoomdiff.training.config import TrainConfig
from zoomdiff.training.loop import Descent, cosine
from zoomdiff.training.patches import TrainingCity, fit_prior, random_patches
from zoomdiff.training.splits import TRAIN, Split, read_splits
from zoomdiff.weights import MOST_WEIGHTS

STATE = "state.pt"
BYTES_ABOUT, ROOM = 1000, 1_000_000  # of a state, beside the numbers: for each tensor and row, and for the settings
PARTS = {  # modules and names, as in the pickle
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch FloatStorage",
    "torch LongStorage",
}
Row = tuple[int, int, str, str, float]  # of loss.csv: step, seconds, set, level, loss

# Longest patch in blocks by the cell's side: coarse levels need wide ones, fine ones show enough cells in few blocks.
LONGEST_SIDE: dict[float, int] = {400: 12, 200: 10, 100: 6, 50: 4}


def training_cities(layers: MapLayers, splits: dict[str, Split], config: TrainConfig, seed: int) -> list[TrainingCity]:
    """The reference city over a map, once per preset; every week has another seed. Raises OptionError."""
    region = Region.from_bbox(layers.extent, hierarchy=config.hierarchy)
    split, allowed = splits.get(layers.name), None
    if split and not split.fits(region):
        raise OptionError(f"The split of {layers.name} was made for another extent of it: make the splits again.")
    if split:
        allowed = split.mask(TRAIN)
        if not allowed.any():
            raise OptionError(f"The split keeps all of {layers.name} for testing: train on other maps.")
    uec = build_uec(layers, region)
    seeds = [range(seed + 100 * i, seed + 100 * i + config.weeks) for i in range(len(config.presets))]
    return [TrainingCity.simulated(uec, *case, allowed) for case in zip(seeds, config.presets, strict=True)]


def gather_cities(config: TrainConfig, say: Callable[[str], None]) -> tuple[list[TrainingCity], list[TrainingCity]]:
    """The cities to train on and the held-out ones. Raises OptionError, MapError, DataError."""
    cities = []
    for path in config.own_weeks:
        known = read_geojson(Path(path))
        if known.level != S4T4.finest.name or not config.maps:
            raise OptionError(
                f"{path} cannot be trained on: give a {S4T4.finest.name}.geojson and the --map of its place."
            )
        uec = build_uec(read_map(config.maps[0], bbox=known.region.bounds), known.region)
        cities += [TrainingCity.known(uec, known.volumes, preset) for preset in config.presets]
        say(f"{path}: {known.region.blocks.sum()} blocks of known traffic")
    maps = [] if config.own_weeks else [read_map(source) for source in config.maps]
    maps += [procedural_map(config.seed + number) for number in range(config.towns)]
    if not maps and not cities:
        raise OptionError("There is nothing to train on: give --map or --towns.")
    splits = read_splits(config.splits) if config.splits else {}
    for place, layers in enumerate(maps):
        cities += training_cities(layers, splits, config, 1000 * place)
        say(f"{layers.name}: {cities[-1].allowed.sum()} of {math.prod(cities[-1].blocks)} blocks")
    cities = balanced(cities, len(cities) - config.towns * len(config.presets), config.real_share)
    if not config.held_out:
        return cities, []
    return cities, training_cities(read_map(config.held_out), {}, replace(config, weeks=1), 900_000)


def balanced(cities: list[TrainingCity], real: int, share: float) -> list[TrainingCity]:
    """The same cities, weighted so that the first `real` of them make up `share` of the patches, if there are others.

    Towns are cheap, so there are many, but people draw regions on real maps.
    """
    parts = (cities[:real], share), (cities[real:], 1 - share)
    if not all(part for part, _ in parts):
        return cities
    return [
        replace(city, weight=share / sum(one.inhabited.sum() for one in part)) for part, share in parts for city in part
    ]


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine down to zero."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    return cosine(config.learning_rate, (step - config.warmup) / max(1, config.steps - config.warmup))


def batch_loss(
    model: DRDM,
    cities: list[TrainingCity],
    k: int,
    side: int,
    config: TrainConfig,
    device: torch.device,
    rng: np.random.Generator,
) -> torch.Tensor:
    """HNaP loss of a random batch of patches of `side` blocks at level k; `rng` draws places and noise."""
    cells = (side * model.hierarchy.block // model.prior.diffused.space_factor(k)) ** 2
    finest = model.design.continuous_adding
    patches = random_patches(cities, k, side, max(1, config.cells // cells), rng, finest=finest)
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    with autocast(device):
        return hnap_loss(
            model,
            patches.x_k.to(device),
            None if patches.coarser is None else patches.coarser.to(device),
            patches.conditions.to(device),
            k,
            generator,
            config.condition_drop,
            config.noise_power,
        )


@torch.no_grad()
def held_out_loss(model: DRDM, cities: list[TrainingCity], config: TrainConfig, device: torch.device) -> list[float]:
    """Mean HNaP loss per level on the held-out cities, always over the same patches and noise."""
    rng = np.random.default_rng(12345)
    sides = [LONGEST_SIDE[level.side] for level in model.prior.diffused]
    return [
        float(np.mean([float(batch_loss(model, cities, k, side, config, device, rng)) for _ in range(4)]))
        for k, side in enumerate(sides)
    ]


def train(
    out: Path,
    config: TrainConfig,
    *,
    device: str = "auto",
    resume: bool = False,
    say: Callable[[str], None] = print,
    on_step: Callable[[int, float], None] | None = None,
) -> Path:
    """Train from scratch or go on with a stopped run; returns the path of the weights.

    Writes into `out` every `save_every` steps: the weights with their JSON, loss.csv (mean training loss of each level
    since the row before, and held-out loss), and state.pt, with which `resume` continues exactly.

    Parameters
    ----------
    out
        Folder of the run.
    device
        See `load_model`.
    resume
        Go on with the run in `out`, which must have the same configuration.
    say
        Called with sentences on what is done.
    on_step
        Called with (steps done, loss) after every step.

    Raises
    ------
    CheckpointError
        Bad `init`.
    OptionError
        `out` holds a run and resume is not set, or resume is set and it holds none or another configuration's; and as
        `gather_cities`, which also raises MapError and DataError.
    """
    place = pick_device(device)
    out = target(out, "The run", is_folder=True)
    check_folder(out, resume)
    torch.manual_seed(config.seed)
    start = started_from(config.init, config, device) if config.init else None
    if start is None:
        check_size(config)
    cities, test_cities = gather_cities(config, say)
    model = untrained(config, cities, place) if start is None else start
    say(f"{sum(p.numel() for p in model.network.parameters()):,} parameters")
    descent = Descent(model.network, config.ema)
    averaged = DRDM(
        cast(DayTokenNetwork, descent.averaged.module),
        model.prior,
        trained_on=described(asdict(config), model.trained_on),
    )
    first, seconds, log = resumed(out / STATE, config, descent, place) if resume else (0, 0.0, [])

    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic() - seconds
    losses: dict[str, list[float]] = {level.name: [] for level in model.hierarchy}
    model.network.train()
    for step in range(first, config.steps):
        rng = np.random.default_rng([config.seed, step])  # one for every step, so that a resumed run is the same
        k, side = random_stage(model, rng)
        loss = descent.step(
            partial(batch_loss, model, cities, k, side, config, place, rng), learning_rate(step, config)
        )
        losses[model.hierarchy[k].name].append(loss)
        if on_step:
            on_step(step + 1, loss)
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            seconds = time.monotonic() - started
            tested = held_out_loss(averaged, test_cities, config, place) if test_cities else []
            if tested:
                say(f"step {step + 1}, {seconds / 60:.1f} min, held-out {' '.join(f'{v:.4f}' for v in tested)}")
            log += log_rows(step + 1, seconds, losses, tested)
            losses = {name: [] for name in losses}
            notes = {"train": asdict(config), "steps_done": step + 1, "hours": round(seconds / 3600, 2)}
            with whole_set(out, "The weights") as new:
                save_model(averaged, new / SHIPPED.name, **notes)
                save_run(new, config, descent, step + 1, seconds, log)
    return out / SHIPPED.name


def check_folder(out: Path, resume: bool) -> None:
    """Raise OptionError unless the folder holds a run to resume, or none where a new one starts."""
    exists = (out / STATE).exists()
    if resume and not exists:
        raise OptionError(f"There is no run to resume in {out}: leave out --resume or name the run's folder.")
    if not resume and exists:
        raise OptionError(f"{out} already holds a run: add --resume to go on with it or choose another --out.")


def started_from(init: str, config: TrainConfig, device: str) -> DRDM:
    """The weights to start from. Raises CheckpointError, and OptionError where their levels are not the setting's."""
    start = load_model(None if init == "shipped" else init, device=device)
    levels, wanted = ([(level.side, level.hours) for level in each] for each in (start.hierarchy, config.hierarchy))
    if levels != wanted:
        raise OptionError(
            f"The weights {init} have other levels than {config.setting}: set their setting and preference."
        )
    return start


def check_size(config: TrainConfig) -> None:
    """Raise OptionError for a network whose weights nobody could load, before anything is made of it."""
    design = design_of(config)
    weights = imagined(config.hierarchy, design, channels=config.channels, blocks=config.blocks)
    if sum(x.nbytes for x in weights.values()) > MOST_WEIGHTS:
        raise OptionError(
            f"A network of {config.channels:,} channels and {config.blocks:,} blocks has more than {MOST_WEIGHTS:,} "
            "bytes of weights: set channels or blocks to fewer."
        )


def design_of(config: TrainConfig) -> Design:
    """The design, with the nodes of the setting and the preference."""
    return replace(config.design, nodes=setting(config.setting, config.preference)[1])


def untrained(config: TrainConfig, cities: list[TrainingCity], device: torch.device) -> DRDM:
    """A network with random weights, and the statistics of the cities."""
    design = design_of(config)
    network = new_network(config.hierarchy, design, channels=config.channels, blocks=config.blocks)
    return DRDM(network.to(device), fit_prior(cities, design))


def random_stage(model: DRDM, rng: np.random.Generator) -> tuple[int, int]:
    """A stage, as likely as it is long, and the side of its patches in blocks."""
    share = [steps / model.design.nodes[0] for steps in model.stage_steps]
    k = int(rng.choice(len(share), p=share))
    return k, int(rng.integers(2, LONGEST_SIDE[round(model.prior.diffused[k].side)] + 1))


def log_rows(step: int, seconds: float, losses: dict[str, list[float]], tested: list[float]) -> list[Row]:
    """Rows of loss.csv: the mean training loss of each level that had any, and the held-out losses."""
    rows = [("train", name, float(np.mean(values))) for name, values in losses.items() if values]
    rows += [("held-out", name, loss) for name, loss in zip(losses, tested, strict=False)]
    return [(step, round(seconds), kind, name, round(loss, 5)) for kind, name, loss in rows]


def save_run(out: Path, config: TrainConfig, descent: Descent, step: int, seconds: float, log: list[Row]) -> None:
    """Write loss.csv and what `resumed` needs to a new folder."""
    with (out / "loss.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("step", "seconds", "set", "level", "loss"), *log])
    about = {"config": json.dumps(asdict(config)), "step": step, "seconds": seconds, "log": [list(row) for row in log]}
    torch.save(about | descent.state(), out / STATE)


def resumed(file: Path, config: TrainConfig, descent: Descent, device: torch.device) -> tuple[int, float, list[Row]]:
    """Put the descent where the run in a file was; its steps, seconds and log. Raises OptionError for another run's."""
    check_file(file, OptionError)
    other = OptionError(f"The run in {file.parent} was started with other settings: resume it with the same ones.")
    try:
        # Before anything of it is in memory: a small file may unfold to gigabytes, or make objects of gigabytes.
        if unfolded(file) > most_bytes(config, descent):
            raise other
        if more := made_of(file) - PARTS:
            raise ValueError(f"a state has no {more}")
        state = torch.load(file, map_location=device, weights_only=True)
        if state["config"] != json.dumps(asdict(config)):
            raise other
        descent.restore(state)
        step = whole("The steps done", state["step"], range(config.steps + 1))
        seconds = number("The seconds", state["seconds"], least=0)
        log = [_row(*row) for row in state["log"]]
    except Exception as error:  # damaged files fail in many ways: as a zip, as a pickle, as tensors of another shape
        if error is other:
            raise
        raise OptionError(
            f"{file} is damaged, so the run cannot be resumed: restore the file, or start a new run."
        ) from error
    return step, seconds, log


def unfolded(file: Path) -> int:
    """Bytes of a zip, or of what is in it by its directory, whichever are more. Raises BadZipFile, OSError."""
    with ZipFile(file) as entries:
        return max(file.stat().st_size, sum(entry.file_size for entry in entries.infolist()))


def made_of(file: Path) -> set[str]:
    """What the pickle of a state names in order to call it. `torch.load` allows `bytearray`, of any length, too."""
    with ZipFile(file) as entries:
        pickles = [entries.read(entry) for entry in entries.infolist() if entry.filename.endswith(".pkl")]
    operations = (operation for pickled in pickles for operation in pickletools.genops(pickled))
    return {str(argument) for operation, argument, _ in operations if operation.name.endswith("GLOBAL")}


def most_bytes(config: TrainConfig, descent: Descent) -> int:
    """What a state of this run may have at most once it is unfolded: every tensor, and the log.

    There are four of every weight: its own value, the average, and two moments of the gradient.
    """
    tensors = descent.averaged.state_dict().values()
    rows = (config.steps // config.save_every + 1) * 2 * len(config.hierarchy)
    size: int = 4 * sum(x.nbytes + BYTES_ABOUT for x in tensors) + rows * BYTES_ABOUT + ROOM
    return size


def _row(step: int, seconds: int, kind: str, level: str, loss: float) -> Row:
    """A row of loss.csv. Raises TypeError or ValueError for what is none."""
    return int(step), int(seconds), str(kind), str(level), float(loss)
