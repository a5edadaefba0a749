"""reproduce.json: everything that is needed to make a week again, byte for byte, as JSON that a person can read."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np
import shapely

import zoomdiff
from zoomdiff.context.uec import UEC
from zoomdiff.errors import CheckpointError, OptionError
from zoomdiff.isolation import isolated
from zoomdiff.levels import Hierarchy, Level
from zoomdiff.region import Region
from zoomdiff.sampling import Plan, Sampling
from zoomdiff.week import TrafficWeek

INSIDE, OUTSIDE = "#", "."
SETTINGS = ("seed", "steps", "preset", "guidance", "weights_sha256")  # of the provenance


@dataclass(frozen=True)
class Inputs:
    """What the user gave, as far as a week does not record it.

    Attributes
    ----------
    map
        As for `read_map`: a name or the path of a file; None where unknown.
    whole_map
        The map was read whole, and not only in the region: sums of floats depend on it in the last digit.
    population
        Path of a raster of people, None for the estimate.
    residents
        Of the region, None where unknown.
    scenario
        GeoJSON of the edits, None without.
    """

    map: str | None = None
    whole_map: bool = True
    population: str | None = None
    residents: float | None = None
    scenario: dict[str, Any] | None = None


@dataclass(frozen=True)
class Recipe:
    """What `read_reproduce` finds; `seed` and `sampling` are arguments of `generate`."""

    region: Region
    inputs: Inputs
    seed: int
    sampling: Sampling
    version: str
    weights_sha256: str | None
    context_sha256: str
    week_sha256: str

    def inputs_with(self, *, map: str | None, population: Path | None) -> Inputs:
        """The inputs, where files have moved. Raises OptionError where the map is unknown."""
        inputs = replace(
            self.inputs,
            map=map or self.inputs.map,
            population=str(population) if population else self.inputs.population,
        )
        if inputs.map is None:
            raise OptionError("The file to reproduce does not say which map was used: give it as --map.")
        return inputs

    def check_weights(self, sha256: str | None) -> None:
        """Raise CheckpointError unless the weights' SHA-256 is that of the file."""
        check_weights(sha256, self.weights_sha256, self.version)

    def compare(self, week: TrafficWeek, uec: UEC) -> str:
        """A sentence: whether the week that was made again is the same, and if not, what may be the reason."""
        same, same_context = week_sha256(week) == self.week_sha256, context_sha256(uec) == self.context_sha256
        return verdict("file", self.version, same=same, same_context=same_context)


def check_weights(sha256: str | None, expected: str | None, version: str) -> None:
    """As `Recipe.check_weights`, of a week that a version made with the expected weights."""
    if sha256 != expected:
        raise CheckpointError(
            f"The week was made by ZoomDiff {version} with other weights (SHA-256 "
            f"{str(expected)[:12]}...): give those as --weights."
        )


def verdict(kept: str, version: str, *, same: bool, same_context: bool) -> str:
    """As `Recipe.compare`; `kept` is what the week was kept in, and `version` made it."""
    if same:
        return f"The week is the same as that of the {kept}, byte for byte."
    if not same_context:
        reason = "the map or the population is not what it was: give the same files"
    elif version != zoomdiff.__version__:
        reason = f"it was made by ZoomDiff {version}, and this is {zoomdiff.__version__}"
    else:
        reason = "the code has changed, or the kind of machine, whose arithmetic differs in the last digits"
    return f"The week differs from that of the {kept}, as {reason}."


def to_reproduce(week: TrafficWeek, uec: UEC, inputs: Inputs) -> bytes:
    """The file, as JSON."""
    region, about = week.region, week.provenance
    file = {
        "zoomdiff": about.get("zoomdiff"),
        "how": "zoomdiff reproduce reproduce.json --out again",
        **{name: about.get(name) for name in SETTINGS},
        "training": about.get("training"),
        "refined_from": about.get("refined_from"),
        **asdict(inputs),
        "sources": list(uec.sources),
        "notes": list(uec.notes),
        "region": {
            "epsg": region.epsg,
            "row": region.row,
            "col": region.col,
            "blocks": ["".join(INSIDE if block else OUTSIDE for block in row) for row in region.blocks],
            "levels": [asdict(level) for level in region.hierarchy],
            "polygon": json.loads(shapely.to_geojson(region.polygon)),
        },
        "context_sha256": context_sha256(uec),
        "week_sha256": week_sha256(week),
    }
    return json.dumps(file, indent=1, ensure_ascii=False).encode()


@isolated(OptionError)
def read_reproduce(path: Path) -> Recipe:
    """What `to_reproduce` wrote. Raises OptionError where it is damaged, or of a week that was refined."""
    try:
        file = json.loads(path.read_bytes())
        refined = file["refined_from"]
        recipe = Recipe(
            region=_region(file["region"]),
            inputs=Inputs(**{name: file[name] for name in Inputs.__dataclass_fields__}),
            seed=file["seed"],
            sampling=Sampling(steps_of(file["steps"]), file["preset"], file["guidance"]),
            version=str(file["zoomdiff"]),
            weights_sha256=file["weights_sha256"],
            context_sha256=file["context_sha256"],
            week_sha256=file["week_sha256"],
        )
        _check(recipe)
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror}.") from error
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        OptionError,  # of the sampling's values
        shapely.errors.ShapelyError,
    ) as error:
        raise OptionError(f"{path.name} is not a reproduce.json that ZoomDiff wrote: export it again.") from error
    if refined:
        raise OptionError(
            f"The week of {path.name} was refined from measured traffic: make it again with refine and that traffic."
        )
    return recipe


def context_sha256(uec: UEC) -> str:
    """Of all numbers that the model gets about the region."""
    return _sha256(uec.structure, uec.aoi, uec.poi, uec.population)


def week_sha256(week: TrafficWeek) -> str:
    """Of the finest volumes."""
    return _sha256(week.volumes[-1])


def _sha256(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _region(file: dict[str, Any]) -> Region:
    blocks = np.array([list(row) for row in file["blocks"]])
    if blocks.ndim != 2 or not np.isin(blocks, (INSIDE, OUTSIDE)).all() or not (blocks == INSIDE).any():
        raise ValueError("no blocks")
    epsg, row, col = (int(file[name]) for name in ("epsg", "row", "col"))
    hierarchy = Hierarchy(tuple(Level(**level) for level in file["levels"]))
    region = Region(shapely.from_geojson(json.dumps(file["polygon"])), epsg, row, col, blocks == INSIDE, hierarchy)
    west, south, east, north = region.frame_bounds
    on_earth = -1e6 < west < east < 2e6 and -1e6 < south < north < 1.1e7
    if epsg // 100 not in (326, 327) or not 1 <= epsg % 100 <= 60 or not on_earth:
        raise ValueError("no place on Earth")
    return region


def steps_of(given: dict[str, Any] | str | int) -> Plan | str | int:
    """The steps of a `Sampling`, as JSON has them. Raises OptionError, TypeError."""
    if not isinstance(given, dict):
        return given
    settings: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in given.items()}
    return Plan(**settings)


def _check(recipe: Recipe) -> None:
    """Raise TypeError where something has another type than it must."""
    inputs = recipe.inputs
    expected = [
        (inputs.map, str | None),
        (inputs.whole_map, bool),
        (inputs.population, str | None),
        (inputs.residents, float | int | None),
        (inputs.scenario, dict | None),
        (recipe.seed, int),
    ]
    check_types(expected)


def check_types(expected: Iterable[tuple[object, type | UnionType]]) -> None:
    """Raise TypeError for the first value of another type than it must have."""
    for value, kind in expected:
        if not isinstance(value, kind):
            raise TypeError(f"{value!r} is no {kind}")
