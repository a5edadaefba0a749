"""A finished store (docs/scale.md): a part of it at the levels that fit the screen, played as a week is, and exported.

A part is read as far as it is shown, so that a store of a country opens as fast as that of a city.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import streamlit as st
from zoomdiff.app import charts, downloads, explore, login, maps, messages, runs, sidebar, zoommap
from zoomdiff.app.basemap import Frame, blank_basemap
from zoomdiff.app.guard import guarded
from zoomdiff.app.limits import public, stores_folder
from zoomdiff.app.messages import plain
from zoomdiff.app.runs import Job, Run

from zoomdiff.arguments import path_of
from zoomdiff.errors import OptionError, ZoomDiffError
from zoomdiff.large.read import StoredWeek, open_store
from zoomdiff.outline import Bounds, parse_bbox, read_polygon
from zoomdiff.week import TrafficWeek, human_bytes

NAME = "store"  # of the run that makes files, and the beginning of its keys
WHOLE, DRAW, BOX = "Whole", "Draw", "Box"
MOST_VALUES = 10_000_000  # of a level that the browser gets, a byte each: 150 km2 at 50 m, 9,500 km2 at 200 m
MOST_CELLS = 1_000_000  # of a level in files: with 168 hours about 350 MB
VALUES_PER_KM2 = 400 * 168  # of the finest level
KINDS = {
    "parquet": "GeoParquet, in parts",
    "cog": "GeoTIFF (COG), a band per step",
    "pmtiles": "PMTiles, for maps on the web",
}


@dataclass(frozen=True)
class Source:
    """A part of a store as it is on the disk now: equal ones have equal weeks. No box: all of it."""

    path: Path
    changed: int
    box: Bounds | None = None

    @property
    def region(self) -> "Source":
        """For `explore.start`: another part has other cells."""
        return self


@dataclass(frozen=True)
class Files:
    """What was exported: a zip in a folder that exists as long as this does."""

    about: tuple
    path: Path
    folder: tempfile.TemporaryDirectory


def page() -> None:
    """The page while a store is looked at. It is not in the address: no link may make a server open a path."""
    st.query_params.clear()
    st.session_state.pop("redrawn", None)
    source = week = None
    with st.sidebar:
        sidebar.map_choice()
        try:
            source, problem = _source()
        except ZoomDiffError as error:
            problem = str(error)
        login.name()
    try:
        if source:
            with st.spinner("Reading the week …"):
                week = _read(source)
    except ZoomDiffError as error:
        problem = str(error)
    if problem:
        messages.error(problem)
    elif source is None:
        _nothing_yet()
    if week is None:
        return
    if st.session_state.get("explored") != source:
        st.session_state.level = len(week.volumes) - 1  # the finest that fits
    explore.start(week, None, source)
    _result(source, week)
    _about(_open(source))


def _source() -> tuple[Source | None, str | None]:
    """Draw the choice of a store and of its part; where that cannot be used, all of it and the sentence that says why.

    No source while no store is chosen. Raises ZoomDiffError.
    """
    path = _path()
    if path is None:
        return None, None
    whole = Source(path, _changed(path))
    _open(whole)
    try:
        part = replace(whole, box=_box(whole))
        _open(part)
    except ZoomDiffError as error:
        return whole, str(error)
    return part, None


def _path() -> Path | None:
    """Draw the choice of a store; None while there is none. Raises OptionError."""
    folder = stores_folder()
    if folder is not None:
        offered = _offered(folder)
        name = st.selectbox("Store", list(offered), key="store_name", persist_state="page")
        return offered.get(name)
    if public():
        return None
    text = st.text_input(
        "Path of the store",
        key="store_path",
        placeholder="/weeks/week.zarr",
        help="The folder that `zoomdiff generate --out week.zarr` has made.",
        persist_state="page",
    ).strip()
    return path_of("The store", text) if text else None


def _offered(folder: Path) -> dict[str, Path]:
    """The stores in a folder of the server by name; links that lead out of it are none."""
    root = folder.resolve()
    found = [each for each in sorted(root.glob("[!.]*.zarr")) if each.is_dir()]
    return {each.name: each for each in found if each.resolve().is_relative_to(root)}


def _nothing_yet() -> None:
    if stores_folder() is not None:
        messages.info("There is no store on this server yet: a store is a folder *.zarr in the folder that it offers.")
    else:
        messages.info("Give the path of a store in the sidebar: the folder that generate --out week.zarr has made.")


def _box(whole: Source) -> Bounds | None:
    """Draw the choice of a part; None where it is the whole. Raises ZoomDiffError."""
    state = st.session_state
    if state.get("store_shown") != whole.path:
        state.store_shown, state.store_part, state.store_drawn, state.store_bbox = whole.path, WHOLE, None, ""
    kinds = [kind for kind in (WHOLE, DRAW, BOX) if kind != DRAW or zoommap.available()]
    kind = st.radio("Part", kinds, key="store_part", horizontal=True, persist_state="page")
    if kind == DRAW:
        st.caption("Draw a rectangle on the map, with the tool in its corner.")
        polygon = state.store_drawn
        return read_polygon(json.dumps(polygon)).bounds if polygon else None
    if kind == BOX:
        bounds = _open(whole).layout.extent.polygon.bounds
        text = st.text_input(
            "West, south, east, north in degrees",
            key="store_bbox",
            placeholder=",".join(f"{degrees:.3f}" for degrees in bounds),
            persist_state="page",
        ).strip()
        return parse_bbox(text) if text else None
    return None


def _drawn(polygon: dict | None) -> None:
    """Take the part from the map."""
    st.session_state.store_drawn, st.session_state.redrawn = polygon, True


def _changed(path: Path) -> int:
    """When a store was completed; 0 where there is none."""
    try:
        return os.stat(path / "zarr.json").st_mtime_ns
    except (OSError, ValueError):
        return 0


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs={Source: repr})
def _open(source: Source) -> StoredWeek:
    """The part, not read yet. Raises ZoomDiffError."""
    with _without_folders(source.path):
        if source.box is None:
            return open_store(source.path)
        return _open(replace(source, box=None)).within(source.box)


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Source: repr})
def _read(source: Source) -> TrafficWeek:
    """The levels that fit, coarse to fine; of a very large part the coarsest. Raises ZoomDiffError."""
    store = _open(source)
    fit = [k for k in range(len(store.hierarchy)) if store.cells(k) * store.hierarchy.steps(k) <= MOST_VALUES]
    with _without_folders(source.path):
        return store.part(finest=store.hierarchy[max(fit, default=0)].name)


@st.fragment
@guarded
def _result(source: Source, week: TrafficWeek) -> None:
    """The map and the weeks of its cells. What is done on it runs this part only, and reads nothing."""
    if st.session_state.pop("redrawn", False):
        st.rerun()
    store, frame = _open(source), Frame.of(week.region)
    left, right = explore.screen()
    with left:
        if st.session_state.sheets is not None:
            _played(store, week, frame)
            k = st.session_state.level
        else:
            ground = [maps.basemap_layer(blank_basemap(), frame)]
            k = explore.slid(week, lambda hours: ground)
    with right:
        _levels(store, week)
        explore.numbers(week, k, explore.curves_choice())
    _export(source, store, k)


def _played(store: StoredWeek, week: TrafficWeek, frame: Frame) -> None:
    sheets, _, _ = st.session_state.sheets
    drawing = st.session_state.store_part == DRAW
    zoommap.zoom_map(
        week.region,
        key="zoommap",
        name="-".join(sheet.feed for sheet in sheets),
        basemap=(blank_basemap(), frame),
        credit=" ".join(store.about["sources"][:1]),  # the map; the caption below the page names all
        view=explore.shown(),
        sheets=sheets,
        busiest=st.session_state.busiest,
        drawing=zoommap.Drawing(st.session_state.store_drawn, 0.0, of="part") if drawing else None,
        on_drawn=_drawn,
        on_view=explore.show,
    )


def _levels(store: StoredWeek, week: TrafficWeek) -> None:
    """In one line: what is shown, and of what."""
    finest = charts.level_words(week.level(len(week.volumes) - 1))
    km2 = week.region.km2
    words = f"**{km2:,.{2 if km2 < 100 else 0}f} km²** of {plain(store.path.name)}, "
    if len(week.volumes) < len(store.hierarchy):
        st.markdown(f"{words}down to **{finest}**: a smaller part shows finer levels.")
    else:
        st.markdown(f"{words}at all its levels.")


def _export(source: Source, store: StoredWeek, k: int) -> None:
    """Files of the part: a level, their kinds, and the zip once it is made."""
    st.markdown("**Export this part**")
    left, right, button = st.columns([3, 5, 4], gap="medium", vertical_alignment="bottom")
    words = [charts.level_words(level) for level in store.hierarchy]
    # The key has k in it, so that the choice follows the map to another level.
    level = left.selectbox("Level", range(len(words)), k, format_func=words.__getitem__, key=f"{NAME}_level_{k}")
    kinds = right.multiselect("Files", list(KINDS), ["parquet"], format_func=KINDS.get, key=f"{NAME}_kinds")
    about = source, level, tuple(sorted(kinds))
    with button:
        runs.start_button(
            "Make the files",
            NAME,
            partial(_prepare, store, about),
            ready=bool(kinds),
            help="Read and written piece by piece, in the background.",
        )
    runs.follow(NAME, partial(st.session_state.__setitem__, "store_files"))
    files: Files | None = st.session_state.get("store_files")
    if files is None or files.about != about:
        return
    st.download_button(
        f"Download {files.path.name}, {human_bytes(files.path.stat().st_size)}",
        files.path.read_bytes,
        file_name=files.path.name,
        mime="application/zip",
        key=f"{NAME}_download",
        on_click="ignore",
        icon=":material/download:",
        type="primary",
    )


def _prepare(store: StoredWeek, about: tuple) -> Job[Files]:
    _, k, kinds = about
    level, cells = store.hierarchy[k], store.cells(k)
    if cells > MOST_CELLS:
        raise OptionError(
            f"This part has {cells:,} cells of {level.side:.0f} m, and {MOST_CELLS:,} are exported here: choose a "
            "smaller part or a coarser level, or use the command zoomdiff export."
        )

    def do(run: Run) -> Files:
        folder = tempfile.TemporaryDirectory(prefix="zoomdiff-export-")
        names: list[str] = []

        def on_piece(name: str, done: int, pieces: int) -> None:
            if name not in names:
                names.append(name)
            share = (len(names) - 1 + done / pieces) / len(kinds)
            run.report(f"{name}: piece {done} of {pieces}", share)

        written = Path(folder.name, "files")
        with _without_folders(store.path):
            store.save(written, kinds, levels=level.name, on_piece=on_piece)
        path = Path(folder.name, f"zoomdiff-{store.path.stem}-{level.name}.zip")
        with ZipFile(path, "w") as archive:  # the files are compressed already
            for file in sorted(file for file in written.rglob("*") if file.is_file()):
                run.report("Packing the files …", 1.0)
                archive.write(file, file.relative_to(written))
        if (size := path.stat().st_size) > downloads.LARGEST:
            raise OptionError(
                f"The files have {human_bytes(size)}, and a download {human_bytes(downloads.LARGEST)} at most: choose "
                "a smaller part, a coarser level or fewer kinds of files."
            )
        return Files(about, path, folder)

    return Job(do, cells * store.hierarchy.steps(k) / VALUES_PER_KM2)


def _about(store: StoredWeek) -> None:
    """What the week was generated by, and from what."""
    made = store.provenance
    words = [
        made["training"],
        f"Generated by ZoomDiff {made['zoomdiff']} with seed {made['seed']}.",
        *made["sources"],
        *made["notes"],
    ]
    st.caption(plain(" ".join(words)))


@contextmanager
def _without_folders(path: Path) -> Iterator[None]:
    """An error about a store that a server offers has its name only."""
    try:
        yield
    except ZoomDiffError as error:
        if stores_folder() is None:
            raise
        raise OptionError(str(error).replace(str(path), path.name)) from error
