"""A store made again from what its attributes say."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely

from zoomdiff.errors import OptionError
from zoomdiff.export.reproduce import check_types, check_weights, steps_of, verdict
from zoomdiff.large.read import StoredWeek, damaged, open_store
from zoomdiff.large.run import Place
from zoomdiff.large.store import WANTED
from zoomdiff.sampling import Sampling

GIVEN = ("map_sha256", "population_sha256")  # what the context depends on and the store does not contain


@dataclass(frozen=True)
class StoreRecipe:
    """How to make a store again: `place`, `seed` and `sampling` are arguments of `generate_large`."""

    place: Place
    seed: int
    sampling: Sampling
    about: dict[str, Any]

    @classmethod
    def of(cls, store: StoredWeek, *, map: str | None = None, population: str | Path | None = None) -> "StoreRecipe":
        """That of a store, with new paths of files that have moved. Raises OptionError."""
        asked = store.about[WANTED]
        if asked.get("measured") is not None:
            raise OptionError(
                f"{store.path} was refined from measured traffic: give the table to zoomdiff refine, with --out."
            )
        try:
            check_types(
                [
                    (asked["map"], str),
                    (asked["region"], dict | None),
                    (asked["population"], str | None),
                    (asked["residents"], float | int | None),
                    (asked["scenario"], dict | None),
                ]
            )
            region = None if asked["region"] is None else shapely.from_geojson(json.dumps(asked["region"]))
            scenario = None if asked["scenario"] is None else json.dumps(asked["scenario"])
            sampling = Sampling(steps_of(asked["steps"]), asked["preset"], asked["guidance"])
        except (KeyError, TypeError, RecursionError, OptionError, shapely.errors.ShapelyError) as error:
            raise damaged(store.path) from error
        if asked["population"] is not None and population is None:
            raise OptionError(f"The store was made with the raster {asked['population']}: give it as --population.")
        place = Place(map or asked["map"], region, population, asked["residents"], scenario)
        return cls(place, asked["seed"], sampling, store.about)

    def check_weights(self, sha256: str | None) -> None:
        """Raise CheckpointError unless the weights' SHA-256 is that of the store."""
        check_weights(sha256, self.about[WANTED]["weights_sha256"], self.about[WANTED]["zoomdiff"])

    def compare(self, again: Path) -> str:
        """A sentence: whether a store that was made again has the same traffic, and if not, what may be the reason."""
        asked, found = self.about[WANTED], open_store(again).about
        return verdict(
            "store",
            asked["zoomdiff"],
            same=found["sha256"] == self.about["sha256"],
            same_context=all(found[WANTED][name] == asked.get(name) for name in GIVEN),
        )
