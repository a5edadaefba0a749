"""From a UEC to traffic: run RRDP, make the levels agree, keep what is needed to make it again."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

import numpy as np
import torch

import zoomdiff
from zoomdiff.context.uec import UEC
from zoomdiff.device import autocast, free_memory
from zoomdiff.diffusion.drdm import DRDM, Plan, gaps, rrdp
from zoomdiff.diffusion.noise import WorldNoise
from zoomdiff.errors import OptionError
from zoomdiff.inputs import conditions_of
from zoomdiff.levels import HOURS_PER_WEEK, Hierarchy, aggregate, conserve
from zoomdiff.week import TrafficWeek

FAST = (30, 20, 10, 8)  # strides per level: a stride of a coarse level costs next to nothing
# See `Plan`; `python -m benchmarks.sampling` compares. With even strides the last one of the first level would start
# from more noise than the days of a base station differ by, and they come out too alike. Without SPREAD hours come out
# too smooth at 400 m, and volumes too low, as the mean of an exponential falls with the spread.
POWER = (1.5, 1.0, 1.0, 1.0)
SPREAD = 0.5  # half of a fine level is what no map explains, by the held-out loss
TILE = 128  # finest cells along a tile on a CPU: larger regions are made in pieces, for memory and caches


def generate(model: DRDM, uec: UEC, *, seed: int = 0, **options) -> TrafficWeek:
    """One week of traffic for the UEC's region at all levels; options and errors as `ensemble`."""
    return ensemble(model, uec, [seed], **options)[0]


def ensemble(
    model: DRDM,
    uec: UEC,
    seeds: Sequence[int],
    *,
    steps: str | int | Plan = "fast",
    preset: str = "europe",
    guidance: float = 1.0,
    tile: int | None = None,
    on_step: Callable[[int, int, int], None] | None = None,
    on_level: Callable[[int, np.ndarray], None] | None = None,
) -> list[TrafficWeek]:
    """Several weeks at once, one per seed; each is the week that its seed alone gives.

    seeds     the same seed, region, preset and weights give the same traffic
    steps     "fast" (a few ancestral strides per level), "full" (all 600), a number of strides per level, or a Plan of
              one's own (which then also tells guidance and tile)
    preset    whose habits the people have: "china" or "europe" (see `zoomdiff.presets`)
    guidance  above 1 the map counts for more, and variety for less (classifier-free guidance; doubles the time)
    tile      finest cells along the side of the pieces that larger regions are made in, by default what suits the
              device (`tile_of`); the result is the same
    on_step   called with (k, step, steps) after every denoising step of level k; what it raises ends the run
    on_level  called with (k, volumes) as soon as level k exists: (T_k, H_k, W_k) bytes of the first seed, before the
              levels are made to agree

    Raises OptionError for steps or a seed out of range, or an unknown preset.
    """
    plan = _plan(steps, model, guidance, tile, len(seeds))
    raw = _run(model, uec, seeds, plan, preset, on_step=on_step, on_level=on_level)
    weeks = []
    for sample, seed in enumerate(seeds):
        levels = [x[sample] for x in raw]
        # Down from what is known best: finer levels lose a few per cent of the volume each, where tails are heavy.
        finest = conserve([levels[0].astype(np.float64), *levels[1:]], model.hierarchy, "top_down")[-1]
        # Whole bytes: their sums are exact in float64, so the levels agree to the last byte.
        volumes = model.hierarchy.pyramid(np.round(finest))
        about = _provenance(model, uec, seed, steps, preset, plan, gaps(levels, model.hierarchy))
        weeks.append(TrafficWeek(uec.region, tuple(volumes), about))
    return weeks


def refine(
    model: DRDM,
    uec: UEC,
    volumes: np.ndarray,
    level: str,
    *,
    seed: int = 0,
    steps: str | int | Plan = "fast",
    preset: str = "europe",
    guidance: float = 1.0,
    tile: int | None = None,
    on_step: Callable[[int, int, int], None] | None = None,
    on_level: Callable[[int, np.ndarray], None] | None = None,
) -> TrafficWeek:
    """Known traffic of one level, refined to all finer ones without any training (paper Sec. VI-A).

    The chain starts at the stage after the level. What is known stays as it is: finer levels are scaled to it block by
    block, coarser ones are its sums.

    volumes  (T_k, H_k, W_k) bytes of the level on the region's frame, a week from Monday 00:00; blocks outside the
             region do not count
    level    its name in the hierarchy: "bs", "cell", "grid100"

    Other arguments as `ensemble`. Raises OptionError as there, and where the level is unknown or the finest, or the
    volumes have another shape or are not finite and non-negative.
    """
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
    plan = _plan(steps, model, guidance, tile, 1)
    raw = _run(model, uec, [seed], plan, preset, given=(k, volumes), on_step=on_step, on_level=on_level)
    levels = [volumes, *(x[0].astype(np.float64) for x in raw)]
    finer = Hierarchy(hierarchy.levels[k:])
    about = _provenance(model, uec, seed, steps, preset, plan, gaps(levels, finer)) | {"refined_from": level}
    coarser = [aggregate(volumes, *hierarchy.between(i, k)) for i in range(k)]
    return TrafficWeek(region, (*coarser, *conserve(levels, finer, "top_down")), about)


def watch(
    model: DRDM,
    uec: UEC,
    k: int,
    to_go: Collection[int],
    on_state: Callable[[int, np.ndarray], None],
    *,
    seed: int = 0,
    steps: str | int | Plan = "fast",
    preset: str = "europe",
    guidance: float = 1.0,
    tile: int | None = None,
    on_step: Callable[[int, int, int], None] | None = None,
) -> None:
    """The way to level k of the week that `generate` makes, seen inside its stage: traffic with noise still in it.

    k         a level; the chain ends there
    to_go     at which of the stage's steps: how many are still to go, 0 (none, free of noise) .. stage_steps(k) - 1
    on_state  called with (steps to go, (T_k, H_k, W_k) bytes), noisiest first within a stride, before the levels are
              made to agree; what it raises ends the run

    Other arguments and errors as `ensemble`; OptionError also for steps that the stage does not have.
    """
    most, node = model.design.stage_steps(k), model.design.nodes[k + 1]
    if not all(0 <= left < most for left in to_go):
        raise OptionError(f"Level {k} is watched with 0 to {most - 1} steps to go.")
    mask = uec.region.mask(k)

    def on_noisy(n: int, volumes: torch.Tensor) -> None:
        on_state(n - node, volumes[0].float().cpu().numpy() * mask)

    plan = _plan(steps, model, guidance, tile, 1)
    wanted = sorted((node + left for left in to_go), reverse=True)
    _run(model, uec, [seed], plan, preset, last=k, on_step=on_step, watch=wanted, on_state=on_noisy)


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
    plan: Plan,
    preset: str,
    *,
    given: tuple[int, np.ndarray] | None = None,
    last: int | None = None,
    on_step: Callable | None,
    on_level: Callable | None = None,
    watch: Collection[int] = (),
    on_state: Callable | None = None,
) -> list[np.ndarray]:
    """(S, T_k, H_k, W_k) bytes of each level that RRDP generates up to the `last`, 0 outside the region."""
    for seed in seeds:
        if not 0 <= seed < 2**63:
            raise OptionError("The seed must be a whole number from 0 to 2^63 - 1.")
    region = uec.region
    device = model.device
    fields = [WorldNoise(seed, region.epsg, region.row, region.col, device) for seed in seeds]
    known = given and (given[0], torch.from_numpy(given[1]).float().to(device)[None])
    raw = []
    with autocast(device):
        levels = rrdp(
            model,
            conditions_of(uec, preset).to(device),
            lambda *address: torch.cat([field(*address) for field in fields]),
            plan,
            given=known,
            on_step=on_step,
            watch=watch,
            on_state=on_state,
        )
        for k, x_k in levels:
            raw.append(x_k.float().cpu().numpy() * region.mask(k))
            if on_level:
                on_level(k, raw[-1][0])
            if k == last:
                break
    return raw


def _provenance(
    model: DRDM, uec: UEC, seed: int, steps: str | int | Plan, preset: str, plan: Plan, gap: list[float]
) -> dict:
    return {
        "zoomdiff": zoomdiff.__version__,
        "weights_sha256": model.sha256,
        "seed": seed,
        "steps": asdict(steps) if isinstance(steps, Plan) else steps,
        "preset": preset,
        "guidance": plan.guidance,
        "gap_before_conservation": [round(g, 4) for g in gap],
        "sources": list(uec.sources),
        "notes": list(uec.notes),
        "training": "Generated by a model trained on simulated traffic calibrated to open measurements.",
    }


def _plan(steps: str | int | Plan, model: DRDM, guidance: float, tile: int | None, samples: int) -> Plan:
    """How to walk for what the user asked."""
    if isinstance(steps, Plan):
        return steps
    tile = tile or tile_of(model, samples, free_memory(model.device))
    stages = range(len(model.hierarchy))
    most = min(model.design.stage_steps(k) for k in stages)
    if steps == "fast":
        return Plan(FAST, "ancestral", POWER, SPREAD, guidance=guidance, tile=tile)
    if steps == "full":
        every = tuple(model.design.stage_steps(k) for k in stages)
        return Plan(every, "ancestral", POWER, guidance=guidance, tile=tile)
    if not str(steps).isdecimal() or not 1 <= int(steps) <= most:
        raise OptionError(f"Steps must be fast, full or a number from 1 to {most} per level, not {steps!r}.")
    return Plan((int(steps),) * len(stages), "ancestral", POWER, SPREAD, guidance=guidance, tile=tile)
