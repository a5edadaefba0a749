"""From a UEC to traffic: run RRDP, make the levels agree, keep what is needed to make it again."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict

import numpy as np
import torch

import zoomdiff
from zoomdiff.arguments import instance, seed_of, seeds_of
from zoomdiff.context.uec import UEC
from zoomdiff.device import autocast, free_memory
from zoomdiff.diffusion.drdm import DRDM, Hooks, rrdp
from zoomdiff.diffusion.noise import WorldNoise
from zoomdiff.errors import OptionError
from zoomdiff.inputs import conditions_of
from zoomdiff.levels import HOURS_PER_WEEK, S4T4, Hierarchy, aggregate, conserve, gaps
from zoomdiff.measured.fit import FittedTraffic, fit, hold
from zoomdiff.measured.traffic import MeasuredTraffic
from zoomdiff.sampling import Callbacks, OnStep, Plan, Sampling
from zoomdiff.week import TrafficWeek

SPREAD = 0.5  # half of a fine level is what no map explains, by the held-out loss
TOGETHER = 8  # weeks of an ensemble that a GPU makes at once
TILE = 128  # finest cells along a tile on a CPU: larger regions are made in pieces, for memory and caches


def fast_strides(hierarchy: Hierarchy) -> tuple[int, ...]:
    """Strides of each stage by the side of its cells: a stride of a coarse level costs next to nothing."""
    by_side = ((400, 30), (200, 20), (100, 10), (0, 8))
    return tuple(next(strides for side, strides in by_side if level.side >= side) for level in hierarchy)


def stride_powers(hierarchy: Hierarchy) -> tuple[float, ...]:
    """`Plan.power` of each stage.

    With even strides the last one of the first stage would start from more noise than the days of a base station differ
    by, and they come out too alike.
    """
    return (1.5, *[1.0] * (len(hierarchy) - 1))


# Of the shipped model; `python -m benchmarks sampling` compares others. Without SPREAD hours come out too smooth at
# 400 m, and volumes too low, as the mean of an exponential falls with the spread.
FAST, POWER = fast_strides(S4T4), stride_powers(S4T4)


def generate(
    model: DRDM, uec: UEC, *, seed: int = 0, sampling: Sampling = Sampling(), callbacks: Callbacks = Callbacks()
) -> TrafficWeek:
    """One week of traffic for a region at all levels.

    Parameters
    ----------
    model
        Trained weights, see `load_model`.
    uec
        The region's urban context, see `build_uec`.
    seed
        From 0 to 2^63 - 1. The same seed, region, sampling and weights give the same week.
    sampling, callbacks
        See `Sampling` and `Callbacks`.

    Raises
    ------
    OptionError
        An argument of a wrong type, steps or a seed out of range, or a region of other levels than the model's.
    """
    return next(ensemble(model, uec, [seed], sampling=sampling, callbacks=callbacks))


def ensemble(
    model: DRDM,
    uec: UEC,
    seeds: Iterable[int],
    *,
    sampling: Sampling = Sampling(),
    callbacks: Callbacks = Callbacks(),
) -> Iterator[TrafficWeek]:
    """Several weeks of the same place, one per seed, each as `generate` makes it from its seed alone.

    Weeks are made while they are asked for: one by one, on a GPU TOGETHER at once. Arguments and errors as `generate`;
    `callbacks.on_level` gets the first week of those that are made at once.
    """
    numbers = seeds_of(seeds)
    _check(model, uec, sampling, callbacks)  # errors come now and not when the first week is asked for
    together = TOGETHER if model.device.type == "cuda" else 1

    def weeks() -> Iterator[TrafficWeek]:
        for first in range(0, len(numbers), together):
            part = numbers[first : first + together]
            raw = _run(model, uec, part, sampling, callbacks=callbacks)
            for sample, seed in enumerate(part):
                yield _week(model, uec, [x[sample] for x in raw], seed, sampling)

    return weeks()


def _week(model: DRDM, uec: UEC, levels: list[np.ndarray], seed: int, sampling: Sampling) -> TrafficWeek:
    """The week of a sample's raw levels, made to agree."""
    # Down from what is known best: finer levels lose a few per cent of the volume each, where tails are heavy.
    finest = conserve([levels[0].astype(np.float64), *levels[1:]], model.hierarchy, "top_down")[-1]
    # Whole bytes: their sums are exact in float64, so the levels agree to the last byte.
    volumes = model.hierarchy.pyramid(np.round(finest))
    about = _provenance(model, uec, seed, sampling, gaps(levels, model.hierarchy))
    return TrafficWeek(uec.region, tuple(volumes), about, uec)


def refine(
    model: DRDM,
    uec: UEC,
    measured: MeasuredTraffic | FittedTraffic,
    *,
    seed: int = 0,
    sampling: Sampling = Sampling(),
    callbacks: Callbacks = Callbacks(),
) -> TrafficWeek:
    """Measured traffic of base stations or cells, refined to all levels; every measured value is kept exactly.

    The week's provenance has the notes on what was measured: which week it is, and what was left out. Arguments that
    are not listed are those of `generate`.

    Parameters
    ----------
    measured
        As `read_measurements` gives it, or already brought onto the region by `measured.fit.fit`.

    Raises
    ------
    DataError
        The measurements cannot be brought onto the region, see `measured.fit.fit`.
    OptionError
        As `generate`.
    """
    _check(model, uec, sampling, callbacks)
    valid = "the traffic of read_measurements() or of measured.fit.fit()"
    instance("The argument measured", measured, (MeasuredTraffic, FittedTraffic), valid)
    known = measured if isinstance(measured, FittedTraffic) else fit(measured, uec)
    week = refine_level(model, uec, known.volumes, known.level, seed=seed, sampling=sampling, callbacks=callbacks)
    return hold(week, known)


def refine_level(
    model: DRDM,
    uec: UEC,
    volumes: np.ndarray,
    level: str,
    *,
    seed: int = 0,
    sampling: Sampling = Sampling(),
    callbacks: Callbacks = Callbacks(),
) -> TrafficWeek:
    """Known traffic of one level, refined to all finer ones without any training (paper Sec. VI-A).

    The chain starts at the stage after the level. What is known stays as it is: finer levels are scaled to it block by
    block, coarser ones are its sums. Arguments that are not listed are those of `generate`.

    Parameters
    ----------
    volumes
        (T_k, H_k, W_k) bytes of the level on the region's frame, a week from Monday 00:00; blocks outside the region
        do not count.
    level
        Its name in the hierarchy: "bs", "cell", "grid100".

    Raises
    ------
    OptionError
        As `generate`, and where the level is unknown or the finest, or the volumes have another shape or are not
        finite and non-negative.
    """
    seed = seed_of(seed)
    _check(model, uec, sampling, callbacks)
    hierarchy, region = model.hierarchy, uec.region
    names = [each.name for each in hierarchy][:-1]
    if level not in names:
        raise OptionError(f"Traffic can be refined from the levels {', '.join(names)}, not {level!r}.")
    k = hierarchy.index(level)
    volumes = np.asarray(volumes, np.float64)
    shape = (HOURS_PER_WEEK // hierarchy[k].hours, *region.mask(k).shape)
    if volumes.shape != shape:
        raise OptionError(f"The volumes have shape {volumes.shape}; level {level} of this region has {shape}.")
    volumes = volumes * region.mask(k)
    if not np.isfinite(volumes).all() or (volumes < 0).any():
        raise OptionError("The volumes have values that are negative or no numbers: fill gaps first.")
    raw = _run(model, uec, [seed], sampling, given=(k, volumes), callbacks=callbacks)
    levels = [volumes, *(x[0].astype(np.float64) for x in raw)]
    finer = Hierarchy(hierarchy.levels[k:])
    about = _provenance(model, uec, seed, sampling, gaps(levels, finer)) | {"refined_from": level}
    coarser = [aggregate(volumes, *hierarchy.between(i, k)) for i in range(k)]
    return TrafficWeek(region, (*coarser, *conserve(levels, finer, "top_down")), about, uec)


def watch(
    model: DRDM,
    uec: UEC,
    k: int,
    to_go: Collection[int],
    on_state: Callable[[int, np.ndarray], None],
    *,
    seed: int = 0,
    sampling: Sampling = Sampling(),
    on_step: OnStep | None = None,
) -> None:
    """The way to level k of the week that `generate` makes, seen inside its stage: traffic with noise still in it.

    k         a level; the chain ends there
    to_go     at which of the stage's steps: how many are still to go, 0 (none, free of noise) .. stage_steps(k) - 1
    on_state  called with (steps to go, (T_k, H_k, W_k) bytes), noisiest first within a stride, before the levels are
              made to agree; an exception it raises ends the run

    Other arguments and errors as `ensemble`; OptionError also for steps that the stage does not have.
    """
    seed, callbacks = seed_of(seed), Callbacks(on_step)
    _check(model, uec, sampling, callbacks)
    if not 0 <= k < len(model.hierarchy):
        raise OptionError(f"There is no level {k}: the model makes levels 0 to {len(model.hierarchy) - 1}.")
    most, node = model.design.stage_steps(k), model.design.nodes[k + 1]
    if not all(0 <= left < most for left in to_go):
        raise OptionError(f"Level {k} is watched with 0 to {most - 1} steps to go.")
    mask = uec.region.mask(-1 if model.design.continuous_adding else k)  # the level that the stage diffuses

    def on_noisy(n: int, volumes: torch.Tensor) -> None:
        on_state(n - node, volumes[0].float().cpu().numpy() * mask)

    wanted = sorted((node + left for left in to_go), reverse=True)
    _run(model, uec, [seed], sampling, last=k, callbacks=callbacks, noisy=(wanted, on_noisy))


def tile_of(model: DRDM, samples: int, memory: int | None) -> int:
    """Finest cells along the side of a tile: TILE on a CPU, on a GPU as many as half of its free memory (bytes) holds.

    A GPU is fast where it has much to do at once, so there a tile is all that fits, samples included.
    """
    if memory is None:
        return TILE
    # Per cell of a day: the stream, the normalised and mixed states, the wider hidden layer and its activation.
    cell = 7 * model.network.channels * 8 * 4
    block = model.hierarchy.block
    return max(TILE, int((memory / 2 / cell / samples) ** 0.5) // block * block)


def _run(
    model: DRDM,
    uec: UEC,
    seeds: Sequence[int],
    sampling: Sampling,
    *,
    callbacks: Callbacks,
    given: tuple[int, np.ndarray] | None = None,
    last: int | None = None,
    noisy: tuple[Collection[int], Callable[[int, torch.Tensor], None]] | None = None,
) -> list[np.ndarray]:
    """(S, T_k, H_k, W_k) bytes of each level that RRDP generates up to the `last`, 0 outside the region.

    given  (k, volumes) of a known level, which the chain starts after
    noisy  steps n at which the state is wanted, too, and what is called with (n, volumes)
    """
    region = uec.region
    device = model.device
    fields = [WorldNoise(seed, region.epsg, region.row, region.col, device) for seed in seeds]
    known = given and (given[0], torch.from_numpy(given[1]).float().to(device)[None])
    raw = []
    with autocast(device):
        levels = rrdp(
            model,
            conditions_of(uec, sampling.preset).to(device),
            lambda *address: torch.cat([field(*address) for field in fields]),
            plan_of(sampling, model, len(seeds)),
            given=known,
            hooks=Hooks(callbacks.on_step, *(noisy or ())),
        )
        for k, x_k in levels:
            raw.append(x_k.float().cpu().numpy() * region.mask(k))
            if callbacks.on_level:
                callbacks.on_level(k, raw[-1][0].copy())  # what the caller does with it must not change the week
            if k == last:
                break
    return raw


def _provenance(model: DRDM, uec: UEC, seed: int, sampling: Sampling, gap: list[float]) -> dict[str, object]:
    """What is needed to make the week again, and what to know of it; goes into every file."""
    steps = sampling.steps if isinstance(sampling.steps, Plan | str) else int(sampling.steps)
    return {
        "zoomdiff": zoomdiff.__version__,
        "weights_sha256": model.sha256,
        "seed": seed,
        "steps": asdict(steps) if isinstance(steps, Plan) else steps,
        "preset": sampling.preset,
        "guidance": float(steps.guidance if isinstance(steps, Plan) else sampling.guidance),
        "gap_before_conservation": [round(g, 4) for g in gap],
        "sources": list(uec.sources),
        "notes": list(uec.notes),
        "training": trained(model),
    }


def trained(model: DRDM) -> str:
    """The sentence of a week's files that says what its model was trained on."""
    return f"Generated by a model trained on {model.trained_on or 'unrecorded data'}."


def plan_of(sampling: Sampling, model: DRDM, samples: int) -> Plan:
    """How to walk the stages of the model for what the user asked. Raises OptionError."""
    steps, stages = sampling.steps, model.stage_steps
    if isinstance(steps, Plan):
        steps.check(stages)
        return steps
    spread = SPREAD
    if steps == "fast":
        budget = tuple(map(min, fast_strides(model.hierarchy), stages))
    elif steps == "full":
        budget, spread = tuple(stages), 0.0
    else:
        budget = (sampling.strides(min(stages)),) * len(stages)
    tile = tile_of(model, samples, free_memory(model.device)) if sampling.tile is None else sampling.tile
    powers = stride_powers(model.hierarchy)
    return Plan(budget, "ancestral", powers, spread, guidance=sampling.guidance, tile=tile)


def _check(model: DRDM, uec: UEC, sampling: Sampling, callbacks: Callbacks) -> None:
    """Raise OptionError for an argument of another kind, a region of other levels, or steps out of range."""
    instance("The model", model, DRDM, "the model of load_model()")
    instance("The argument uec", uec, UEC, "the urban context of build_uec()")
    instance("The argument sampling", sampling, Sampling, "a Sampling")
    instance("The argument callbacks", callbacks, Callbacks, "a Callbacks")
    region = uec.region
    ours, theirs = ([(level.side, level.hours) for level in each] for each in (model.hierarchy, region.hierarchy))
    if ours != theirs:
        made, framed = (", ".join(f"{side:g} m/{hours} h" for side, hours in levels) for levels in (ours, theirs))
        raise OptionError(
            f"The model makes the levels {made}, and the region was made for {framed}: make the region with "
            "hierarchy=model.hierarchy."
        )
    plan_of(sampling, model, 1)
