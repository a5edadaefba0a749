"""A large run from beginning to end: the map in tiles, then pass after pass; what is done is not done again."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

import zoomdiff
from zoomdiff.arguments import seed_of, whole
from zoomdiff.context import MapLayers, read_map, sources
from zoomdiff.context.layers import outside
from zoomdiff.context.maps import is_town, known
from zoomdiff.context.population import Census
from zoomdiff.context.residents import off_raster
from zoomdiff.context.scenario import Scenario, read_scenario
from zoomdiff.context.uec import check_residents
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.errors import MapError, OptionError, printable
from zoomdiff.export.netcdf import credit
from zoomdiff.extent import Extent
from zoomdiff.files import sha256_of, target, whole_file
from zoomdiff.generation import trained
from zoomdiff.large.engine import Cluster, Engine, Here, OnRetry
from zoomdiff.large.layout import Layout, Window
from zoomdiff.large.read import open_store
from zoomdiff.large.refine import BYTES, PEOPLE, Network, add_up, digest_of
from zoomdiff.large.result import refined, result
from zoomdiff.large.store import COMPLETE, WANTED, Receipt, Store, attributes_of, check_no_links, locked, prepare
from zoomdiff.large.tiles import MapTiles, cut_map, write_tiles
from zoomdiff.large.work import CENSUS, CONTEXT, HOLD, SPREAD, Job, channels
from zoomdiff.measured.traffic import MeasuredTraffic
from zoomdiff.outline import Bounds, box_of
from zoomdiff.sampling import Plan, Sampling

WORKERS = range(1, 10_001)
BESIDE = 0.05  # degrees around the region that are read of the map
OnPiece = Callable[[str, int, int], None]  # (pass, pieces done, pieces)
# What a run is asked for -> what to call it in a sentence.
NAMES = {
    "zoomdiff": "version of ZoomDiff",
    "weights_sha256": "weights",
    "seed": "seed",
    "steps": "steps",
    "preset": "preset",
    "guidance": "guidance",
    "map_sha256": "map",
    "region": "region",
    "population_sha256": "population raster",
    "residents": "number of residents",
    "scenario": "scenario",
    "measured_sha256": "measured traffic",
}


@dataclass(frozen=True)
class Place:
    """Where a large week is made, and what is known of the place.

    Parameters
    ----------
    map
        As for `read_map`; it is read once and cut into tiles.
    region
        Polygon or box (west, south, east, north), lon/lat; None: all of the map.
    population, residents
        As for `build_uec`; the residents are those of the whole region.
    scenario
        File of edits of the map, as for `read_scenario`, or its text.
    measured
        Traffic of base stations, to be refined as `refine` does; those outside the region are left out. None: all
        traffic is generated.
    """

    map: str | Path
    region: BaseGeometry | Bounds | None = None
    population: str | Path | None = None
    residents: float | None = None
    scenario: Path | str | None = None
    measured: MeasuredTraffic | None = None

    @property
    def polygon(self) -> BaseGeometry | None:
        """The region as a polygon. Raises RegionError for a box that is none."""
        return self.region if self.region is None or isinstance(self.region, BaseGeometry) else box_of(self.region)


def generate_large(
    model: DRDM,
    place: Place,
    out: str | Path,
    *,
    seed: int = 0,
    sampling: Sampling = Sampling(),
    workers: int | str = 1,
    on_piece: OnPiece | None = None,
    on_retry: OnRetry | None = None,
) -> Path:
    """One week of traffic for a region of any size, piece by piece into a Zarr store.

    The same call goes on with a run that was stopped, and returns at once where the store is complete. Any number of
    workers gives the same bytes. With measured traffic in `place`, each base station keeps exactly its bytes in every
    measured step, so volumes are no whole bytes.

    Parameters
    ----------
    model
        Trained weights, see `load_model`.
    place
        Where.
    out
        The store, such as week.zarr.
    seed, sampling
        As for `generate`.
    workers
        Processes on this machine, or the address of a Ray cluster ("auto": the one that runs here), all of which is
        used. More than one process needs Ray.
    on_piece
        Called with (pass, pieces done, pieces) after every piece; an exception that it raises ends the run.
    on_retry
        Called with (pass, pieces begun again so far) when a worker of Ray has ended and another one begins its piece
        again.

    Returns
    -------
    Path
        The store.

    Raises
    ------
    OptionError
        The store is of another run (the message says what differs), or cannot be written; Ray is not installed; a
        worker ends each time at the same piece.
    RegionError, MapError, CheckpointError
        As for `generate` and `read_map`.
    DataError
        As for `refine`, and for measured polygons.
    """
    out, seed = target(out, "The store", is_folder=True), seed_of(seed)
    if not isinstance(workers, str):
        workers = whole("The number of workers", workers, WORKERS)
    if place.residents is not None:
        check_residents(place.residents)
    say = on_piece or (lambda stage, done, pieces: None)
    polygon, population = place.polygon, None if place.population is None else Path(place.population).absolute()
    scenario = read_scenario(place.scenario) if place.scenario else None
    edits = place.scenario.read_text() if isinstance(place.scenario, Path) else place.scenario or None
    source = known(place.map)
    town = is_town(source)
    path = Path() if town else sources.local(source, None if polygon is None else polygon.bounds)
    asked = {
        "zoomdiff": zoomdiff.__version__,
        "weights_sha256": model.sha256,
        "seed": seed,
        "steps": asdict(sampling.steps) if isinstance(sampling.steps, Plan) else sampling.steps,
        "preset": sampling.preset,
        "guidance": sampling.guidance,
        "map": str(place.map),
        "map_sha256": str(source) if town else _sha256(path),
        "region": None if polygon is None else json.loads(shapely.to_geojson(polygon)),
        "population": None if population is None else population.name,
        "population_sha256": None if population is None else _sha256(population),
        "residents": place.residents,
        "scenario": None if edits is None else json.loads(edits),
        "measured": None if place.measured is None else place.measured.source,
        "measured_sha256": None if place.measured is None else digest_of(place.measured),
    }
    asked = json.loads(json.dumps(asked))  # as a file has it: no tuples
    with locked(out):
        if out.exists():
            found = attributes_of(out)
            _check_same(asked, found[WANTED], out)
            if found.get(COMPLETE):
                return open_store(out).path  # a damaged one is refused
            check_no_links(out)
        tiles = prepare(out, asked) / "map"
        if not tiles.exists():
            say("map", 0, 1)
            with whole_file(tiles, "The run") as new:
                new.mkdir()
                if town:
                    write_tiles(read_map(source), new)
                else:
                    cut_map(path, str(source), None if polygon is None else _around(polygon), into=new)
            say("map", 1, 1)
        about = MapTiles(tiles).about()
        layout = Layout(Extent.of(shapely.box(*about.extent) if polygon is None else polygon, model.hierarchy))
        _check_on_map(layout, about)
        store, network = Store(out, layout), None
        notes: tuple[str, ...] = ()
        if place.measured is not None:
            network, notes = Network.of(place.measured, layout)
        if not out.exists():
            store.create(asked, _about(about, model, asked, layout))
        job = Job(
            store,
            tiles,
            seed,
            sampling,
            population=None if population is None else str(population),
            residents=place.residents,
            scenario=edits,
        )
        if network is not None:
            network.save(store.run / "network.npz")
            job = replace(job, network=store.run / "network.npz")
        engine = Here(model) if workers == 1 else Cluster(model, workers, on_retry)
        try:
            _passes(engine, job, scenario, network, notes, say)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OptionError(
                f"The store {out} cannot be written: {reason}. The same command goes on later."
            ) from error
        finally:
            engine.close()
    return out


def _passes(
    engine: Engine, job: Job, scenario: Scenario | None, network: Network | None, notes: Sequence[str], say: OnPiece
) -> None:
    """All passes, one after the other; the notes are on the measured traffic of the network."""
    store, layout = job.store, job.store.layout
    coarser = len(layout.hierarchy) - 1
    if job.population or job.residents is not None:
        sums = _pass(engine, job, CENSUS, layout.pieces(-1), say)
        census = sum((Census(**receipt) for receipt in sums.values()), Census({}))
        if job.population and not census.on_raster:
            raise off_raster(Path(job.population))
        job = replace(job, whole=census)
    store.make_room("lively", 0, 1, "float32")
    for k in range(coarser):
        store.make_room("context", k, sum(channels(k, layout.hierarchy)), "float32")
        store.make_room("raw", k, layout.hierarchy.steps(k), "float32")
    pieces = layout.pieces(-1)
    if network is not None:
        store.make_room("raw", coarser, layout.hierarchy.steps(coarser), "float32")
    context = _pass(engine, job, CONTEXT, layout.context_pieces(), say)
    if network is not None:
        add_up(store.run / PEOPLE, pieces, len(network.squares), job.sums(PEOPLE))
        _pass(engine, job, SPREAD, pieces, say)
    for k, level in list(enumerate(layout.hierarchy))[0 if network is None else network.level + 1 :]:
        receipts = _pass(engine, job, level.name, layout.pieces(k), say)
    if network is not None:
        add_up(store.run / BYTES, pieces, len(network.squares), job.sums(BYTES))
        held = _pass(engine, job, HOLD, pieces, say)
        receipts = {piece: receipts[piece] | held[piece] for piece in pieces}
    about = result(job, scenario, context.values(), receipts.values(), attributes_of(store.path)["training"])
    if network is not None:
        about |= refined(network, layout, context.values(), notes, about["notes"])
    store.finish(about)


def _pass(engine: Engine, job: Job, stage: str, pieces: Sequence[Window], say: OnPiece) -> dict[Window, Receipt]:
    """The receipts of all pieces, those that are done already among them, in the order of the pieces."""
    done = job.store.done(stage)
    say(stage, len(done), len(pieces))
    for piece, receipt in engine.do(job, stage, [piece for piece in pieces if piece not in done]):
        done[piece] = receipt
        say(stage, len(done), len(pieces))
    return {piece: done[piece] for piece in pieces}


def _about(about: MapLayers, model: DRDM, asked: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """Attributes of the store that are known before it is made."""
    training = printable(trained(model))
    return {
        "Conventions": "CF-1.11",
        "title": "A week of mobile traffic",
        **credit([printable(f"Map: {about.source}; {about.licence}.")], training),
        "training": training,
        "region": shapely.to_geojson(layout.extent.polygon),
        "raster": {"epsg": layout.extent.epsg, "row": layout.extent.row, "col": layout.extent.col},
        "levels": [asdict(level) for level in layout.hierarchy],
        "seed": asked["seed"],
    }


def _check_same(asked: dict[str, Any], found: dict[str, Any], out: Path) -> None:
    """Raise OptionError, which says what differs, unless a store is of the same run."""
    for name, words in NAMES.items():
        if asked[name] != found.get(name):
            raise OptionError(
                f"{out} was made with another {words} ({_short(found.get(name))}, now {_short(asked[name])}): "
                "choose another --out, or remove it."
            )


def _short(value: object) -> str:
    text = "none" if value is None else json.dumps(value) if isinstance(value, dict) else str(value)
    return text if len(text) <= 20 else f"{text[:12]}..."


def _check_on_map(layout: Layout, about: MapLayers) -> None:
    if not shapely.box(*about.extent).intersects(layout.extent.polygon):
        raise MapError(outside(about.extent))


def _around(polygon: BaseGeometry) -> Bounds:
    """What is read of a map: also the ground that the region's edge sees."""
    west, south, east, north = polygon.bounds
    return west - BESIDE, south - BESIDE, east + BESIDE, north + BESIDE


def _sha256(path: Path) -> str:
    """Of a file, or of all files in a folder."""
    if path.is_file():
        return sha256_of(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    listed = "".join(f"{file.relative_to(path)} {sha256_of(file)}\n" for file in files)
    return hashlib.sha256(os.fsencode(listed)).hexdigest()
