"""What is to know of a week that is complete: what its pieces found, added up."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from zoomdiff.context.residents import raster_notes
from zoomdiff.context.scenario import Scenario, scenario_notes, scenario_sources
from zoomdiff.context.uec import HOUSELESS, map_notes
from zoomdiff.export.netcdf import credit
from zoomdiff.large.layout import Layout
from zoomdiff.large.refine import Network
from zoomdiff.large.store import Receipt
from zoomdiff.large.work import Job
from zoomdiff.measured.fit import far_note


def result(
    job: Job, scenario: Scenario | None, context: Iterable[Receipt], weeks: Iterable[Receipt], training: str
) -> dict[str, Any]:
    """The attributes of a complete store.

    Parameters
    ----------
    job, scenario
        What was done; the scenario is that of the job.
    context, weeks
        The receipts of the pieces' context, and of their finest level.
    training
        What the weights learned from.
    """
    context, weeks = list(context), list(weeks)
    made = [receipt for receipt in weeks if "sha256" in receipt]
    digest = hashlib.sha256("".join(sha256 for receipt in made for sha256 in receipt["sha256"]).encode())
    pairs = [receipt["gaps"] for receipt in weeks if "gaps" in receipt]
    gaps = [[sum(column) for column in zip(*level, strict=True)] for level in zip(*pairs, strict=True)]
    # In the order of a part, the map first: they do not depend on the place.
    sources = list(dict.fromkeys(source for receipt in context for source in receipt["sources"]))
    notes = _of_place(job, context)
    if scenario is not None:
        inside = [sum(shares) for shares in zip(*(receipt["inside"] for receipt in context), strict=True)]
        sources += scenario_sources(scenario, inside)
        notes += scenario_notes(scenario, inside)
    return {
        **credit(sources, training),
        "sources": sources,
        "total_bytes": sum(receipt["total"] for receipt in made),
        "gap_before_conservation": [round(gap / max(1.0, volume), 4) for gap, volume in gaps],
        "notes": notes,
        "sha256": digest.hexdigest(),
    }


def refined(
    network: Network, layout: Layout, context: Iterable[Receipt], notes: Sequence[str], others: Sequence[str]
) -> dict[str, Any]:
    """Attributes of a store of refined traffic; `notes` are on what was measured, `others` on the place."""
    context = list(context)
    far = sum(receipt["far"] for receipt in context) / sum(receipt["cells"] for receipt in context)
    return {
        "refined_from": layout.hierarchy[network.level].name,
        "held_to": f"{len(network.squares)} measured cells, steps of {network.hours} h",
        "notes": [*others, *notes, *far_note(far)],
    }


def _of_place(job: Job, context: list[Receipt]) -> list[str]:
    """The sentences on the map and on the population."""
    cells, on_map = (sum(receipt[name] for receipt in context) for name in ("cells", "on_map"))
    empty = all(receipt["empty"] for receipt in context if receipt["cells"])
    notes = [*map_notes(on_map, cells, empty=empty, side=job.store.layout.hierarchy[0].side)]
    if job.population and job.whole:
        notes += raster_notes(job.whole.on_raster, cells, job.whole.residents > 0)
    elif job.whole and not job.whole.at_night:
        notes.append(HOUSELESS)
    return notes
