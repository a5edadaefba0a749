"""One piece of a large run: its census, its context, or one stage of the model on it."""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from zoomdiff.checkpoint import load_model
from zoomdiff.context.population import Census
from zoomdiff.context.scenario import Scenario, apply, read_scenario, shares_inside
from zoomdiff.context.uec import UEC, build_part, census_of, on_map
from zoomdiff.device import autocast, trim_memory
from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.drdm import DRDM, Hooks, beside, lively, run_stage
from zoomdiff.diffusion.noise import WorldNoise
from zoomdiff.generation import plan_of
from zoomdiff.inputs import INPUTS, conditions_of
from zoomdiff.large.layout import Window
from zoomdiff.large.refine import (
    BYTES,
    PEOPLE,
    Network,
    network_at,
    sum_by_place,
    sums_at,
)
from zoomdiff.large.store import Receipt, Store
from zoomdiff.large.tiles import MapTiles
from zoomdiff.levels import Hierarchy, conserve, gap_sums
from zoomdiff.measured.fit import by_step, far_from, scaled, shared_out
from zoomdiff.sampling import Sampling

CENSUS, CONTEXT, SPREAD, HOLD = "census", "context", "spread", "hold"  # passes; stages are called after their level


@dataclass(frozen=True)
class Job:
    """What every worker has to know.

    Attributes
    ----------
    store
        Where results go.
    tiles
        Folder of the map in tiles.
    scenario
        Text of a scenario's file; None without one.
    whole
        The census of the region, once it is known.
    network
        File of the network whose measured traffic is refined; None: all traffic is generated.
    population, residents, seed, sampling
        As for a small region.
    """

    store: Store
    tiles: Path
    seed: int
    sampling: Sampling
    population: str | None = None
    residents: float | None = None
    scenario: str | None = None
    whole: Census | None = None
    network: Path | None = None

    def sums(self, name: str) -> Path:
        """File of the sums by place of all pieces; those of each are in the folder of that name."""
        return self.store.run / f"{name}.npz"


@dataclass
class Worker:
    """Does pieces of a job, one after the other.

    Attributes
    ----------
    source
        The model, or the path of its weights.
    job
        What is to be done.
    """

    source: DRDM | Path
    job: Job

    @cached_property
    def model(self) -> DRDM:
        """On the device of this process."""
        return self.source if isinstance(self.source, DRDM) else load_model(self.source)

    @cached_property
    def network(self) -> Network:
        """Whose measured traffic is refined. Raises ValueError where all traffic is generated."""
        if self.job.network is None:
            raise ValueError("there is no measured traffic")
        return network_at(self.job.network)

    def set_job(self, job: Job) -> None:
        """What is to be done from now on."""
        self.job = job

    def do(self, stage: str, piece: Window) -> Receipt:
        """Do a piece of a pass, write what comes out, and mark it as done."""
        if stage == CENSUS:
            receipt = self.census(piece)
        elif stage == CONTEXT:
            receipt = self.context(piece)
        elif stage == SPREAD:
            receipt = self.spread(piece)
        elif stage == HOLD:
            receipt = self.hold(piece)
        else:
            receipt = self.stage(self.job.store.layout.hierarchy.index(stage), piece)
        self.job.store.mark(stage, piece, receipt)
        return receipt

    @cached_property
    def scenario(self) -> Scenario | None:
        """The edits of the map, or None."""
        return read_scenario.here(self.job.scenario) if self.job.scenario else None

    def census(self, piece: Window) -> Receipt:
        """The sums of a piece's population."""
        layout = self.job.store.layout
        outer = layout.around(piece, layout.context_halo())
        region, here = layout.region(outer), piece.within(outer).slices(layout.per_block(-1))
        mask = np.zeros(region.shape, bool)
        mask[here] = region.mask()[here]
        found = census_of(MapTiles(self.job.tiles).read(region.bounds), region, mask, population=self.job.population)
        return asdict(found)

    def context(self, piece: Window) -> Receipt:
        """What the model is given of a piece at all levels but the finest, whose context is made when it is needed."""
        store = self.job.store
        conditions, uec, population = self._conditions(piece)
        store.keep("lively", 0, piece, lively(conditions, store.layout.per_block(-1))[0].numpy())
        for k in range(len(store.layout.hierarchy) - 1):
            at_k = conditions.at_level(store.layout.hierarchy, k)
            store.keep("context", k, piece, torch.cat(list(at_k.rasters.values()), 1)[0].numpy())
        if self.job.network:
            self._leave_sums(PEOPLE, piece, by_step(population, store.layout.hierarchy[self.network.level].hours))
        return self._found(piece, uec)

    def spread(self, piece: Window) -> Receipt:
        """The measured traffic at the level that it is refined from."""
        layout, network = self.job.store.layout, self.network
        people = by_step(self._conditions(piece)[2], layout.hierarchy[network.level].hours)
        factor, sums = layout.hierarchy.space_factor(network.level), sums_at(self.job.sums(PEOPLE))
        volumes = shared_out(network.traffic, network.zones(layout, piece), people, *sums, factor)
        self.job.store.keep("raw", network.level, piece, volumes)
        return {}

    def hold(self, piece: Window) -> Receipt:
        """The refined week with the measured bytes of every place, written to the store."""
        store, network = self.job.store, self.network
        zones, finest = network.zones(store.layout, piece), store.kept("raw", len(store.layout.hierarchy) - 1, piece)
        return self._write(scaled(finest, zones, network.traffic, *sums_at(self.job.sums(BYTES))), piece)

    def _leave_sums(self, name: str, piece: Window, values: np.ndarray) -> None:
        zones = self.network.zones(self.job.store.layout, piece)
        sum_by_place(values, zones, self.job.store.run / name / f"{piece.name}.npz")

    def _found(self, piece: Window, uec: UEC) -> Receipt:
        """What is to know of a piece, and adds up; `uec` is that of the piece and the ground around it."""
        region, layers = self.job.store.layout.region(piece), MapTiles(self.job.tiles).about()
        far = far_from(region, self.network.lonlat) if self.job.network else 0
        return {
            "far": far,
            "cells": int(region.mask().sum()),
            "on_map": on_map(layers, region),
            "empty": uec.empty,
            "sources": list(uec.sources),
            "inside": shares_inside(self.scenario, region) if self.scenario else [],
        }

    def stage(self, k: int, piece: Window) -> Receipt:
        """Level k of a piece; with the finest level, all levels are made to agree and written to the store."""
        store, layout, finest = self.job.store, self.job.store.layout, len(self.job.store.layout.hierarchy) - 1
        if k and not store.kept("raw", k - 1, piece).any():
            if k == finest and self.job.network:
                self._leave_sums(BYTES, piece, by_step(store.kept("raw", k, piece), self.network.hours))
            return {"total": 0.0}  # where a coarser level has no traffic, no finer one has
        outer = layout.around(piece, layout.halo(k))
        raw = self._raw(k, outer)
        rows, cols = piece.within(outer).slices(layout.per_block(k))
        raw = raw[:, rows, cols]
        if k < finest:
            store.keep("raw", k, piece, raw)
            return {}
        return self._agreed([*(store.kept("raw", j, piece) for j in range(finest)), raw], piece)

    def _raw(self, k: int, outer: Window) -> np.ndarray:
        """(T_k, rows, cols) bytes of level k, before the levels are made to agree."""
        store, layout, model = self.job.store, self.job.store.layout, self.model
        coarser = torch.from_numpy(store.kept("raw", k - 1, outer))[None].to(model.device) if k else None
        conditions = self._kept_conditions(k, outer) if k < len(layout.hierarchy) - 1 else self._conditions(outer)[0]
        extent = layout.extent
        noise = WorldNoise(self.job.seed, extent.epsg, extent.row + outer.row, extent.col + outer.col, model.device)
        with autocast(model.device):
            plan = plan_of(self.job.sampling, model, 1)
            hooks = Hooks(on_step=lambda *_: trim_memory())
            _, x_k = run_stage(model, k, coarser, conditions.to(model.device), noise, plan, hooks=hooks)
        if k == 0:
            x_k = x_k * beside(torch.from_numpy(store.kept("lively", 0, outer))[None].to(model.device))
        raw: np.ndarray = x_k[0].float().cpu().numpy()
        return raw

    def _agreed(self, levels: list[np.ndarray], piece: Window) -> Receipt:
        """Make the levels agree and write them."""
        store, layout = self.job.store, self.job.store.layout
        hierarchy, region = layout.hierarchy, layout.region(piece)
        levels = [x_k * region.mask(k) for k, x_k in enumerate(levels)]
        first = self.network.level if self.job.network else 0
        made, hierarchy = levels[first:], Hierarchy(hierarchy.levels[first:])
        gaps = [(float(gap), float(volume)) for gap, volume in gap_sums(made, hierarchy)]
        finest = conserve([made[0].astype(np.float64), *made[1:]], hierarchy, "top_down")[-1]
        if self.job.network:
            finest = finest.astype(np.float32)  # as it is kept, so that its sums are those of what is read again
            store.keep("raw", len(layout.hierarchy) - 1, piece, finest)
            self._leave_sums(BYTES, piece, by_step(finest, self.network.hours))
            return {"gaps": gaps}
        return self._write(np.round(finest), piece) | {"gaps": gaps}

    def _write(self, finest: np.ndarray, piece: Window) -> Receipt:
        """Write all levels of a piece to the store."""
        store = self.job.store
        levels = store.layout.hierarchy.pyramid(finest)
        return {
            "sha256": [store.write(k, piece, x_k) for k, x_k in enumerate(levels)],
            "total": float(finest.sum()),
        }

    def _conditions(self, window: Window) -> tuple[Conditions, UEC, np.ndarray]:
        """What the model is given of a window at the finest level.

        And what the map has there before any edits, and the people (168, H, W) after them.
        """
        job, layout = self.job, self.job.store.layout
        outer = layout.around(window, layout.context_halo())
        region = layout.region(outer)
        layers = MapTiles(job.tiles).read(region.bounds)
        uec = build_part(layers, region, population=job.population, residents=job.residents, whole=job.whole)
        edited = apply(uec, self.scenario) if self.scenario else uec
        rows, cols = window.within(outer).slices(layout.per_block(-1))
        conditions = conditions_of(edited, job.sampling.preset).map(lambda x: x[..., rows, cols].contiguous())
        return conditions, uec, edited.population[:, rows, cols]

    def _kept_conditions(self, k: int, window: Window) -> Conditions:
        """The same at a coarser level, as the pass of the context left it."""
        store = self.job.store
        values = torch.from_numpy(store.kept("context", k, window))[None]
        structure, aoi, poi, population, users = torch.split(values, list(channels(k, store.layout.hierarchy)), 1)
        preset = torch.tensor([INPUTS["preset"].index(self.job.sampling.preset)])
        return Conditions(structure, aoi, poi, population, users, preset)


def channels(k: int, hierarchy: Hierarchy) -> tuple[int, ...]:
    """Of the rasters of the context of a level, as they are kept: in the order of `Conditions`."""
    structure, aoi, poi = (len(INPUTS[name]) for name in ("structure", "aoi", "poi"))
    return structure, aoi, poi, hierarchy.steps(k), aoi
