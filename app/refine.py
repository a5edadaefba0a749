"""Bring your own traffic: measured base stations or cells, refined to 50 m, keeping every given value."""

import hashlib
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pydeck as pdk
import streamlit as st
from zoomdiff.app import compare, maps, messages, runs, work
from zoomdiff.app.colours import Scale, scale_legend, traffic
from zoomdiff.app.messages import plain
from zoomdiff.app.runs import Job, Run
from zoomdiff.app.work import Place

from zoomdiff.context import UEC
from zoomdiff.errors import ZoomDiffError
from zoomdiff.export import to_geojson
from zoomdiff.generation import refine_level
from zoomdiff.levels import HOURS_PER_WEEK, S4T4
from zoomdiff.measured.fit import NONE, FittedTraffic, fit, hold, served_bytes
from zoomdiff.measured.read import BYTES_PER, read_measurements
from zoomdiff.region import Region
from zoomdiff.sampling import Callbacks, Sampling
from zoomdiff.week import WEEK_START, TrafficWeek, human_bytes

NAME = "refine"  # of its run, and the beginning of its keys
MAP_HEIGHT = 360
OPACITY = 0.85
UPLOAD_MB = 50
KINDS = ["csv", "txt", "tsv", "geojson", "json", "parquet"]
FILLS = {
    "Stop and say so": None,
    "Count as 0": 0.0,
    "Draw a straight line over the gap": "interpolate",
}
COLUMNS = """
| column | what it holds |
|---|---|
| `time` | begin of the step, such as `2025-03-03 14:00`: one step of 5 minutes to 1 day, local time or with an offset |
| `site` (or `cell`) | name of the base station or cell |
| `lon`, `lat` | where it is, degrees (WGS84); or leave them out and give a table of sites `site, lon, lat` |
| `bytes` | what it carried in the step, not negative |

One row per time and base station, in any order, at least seven whole days. GeoJSON: a point or polygon per feature
with the same properties, or the files that ZoomDiff writes. Parquet: the same columns. Other usual names of columns
are known, too.
"""


@dataclass(frozen=True, eq=False)
class Refined:
    """What a run has made: the week as the model alone has it, and held to what was given."""

    key: str
    known: FittedTraffic
    own: TrafficWeek
    week: TrafficWeek


def panel(place: Place, below: list[pdk.Layer], *, seed: int, steps: str | int, preset: str) -> TrafficWeek | None:
    """Measured traffic in, a week at 50 m out, the two compared. Returns the week when there is one.

    below                layers under the traffic, such as the basemap
    seed, steps, preset  as for `zoomdiff.generation.refine`
    """
    left, right = st.columns([4, 7], gap="medium")
    with left:
        known, about = _given(place)
        key = f"{about} {work.region_key(place.region)} {seed} {steps} {preset}"
        _run_button(place.uec, known, key, seed, Sampling(steps, preset))
    with right:
        runs.follow(NAME, partial(st.session_state.__setitem__, "refine_result"))
        done: Refined | None = st.session_state.get("refine_result")
        if known is None or done is None or done.key != key:
            _before(place.region, known, below)
            return None
        _result(done, below)
        return done.week


def _given(place: Place) -> tuple[FittedTraffic | None, str]:
    """The form of the upload; what was read, fitted to the region, and a digest of the upload."""
    traffic = st.file_uploader(
        f"Measured traffic of base stations or cells, up to {UPLOAD_MB} MB",
        KINDS,
        key="refine_traffic",
        max_upload_size=UPLOAD_MB,
    )
    sites = st.file_uploader(
        "Table of sites, if the traffic has no places", KINDS, key="refine_sites", max_upload_size=UPLOAD_MB
    )
    with st.expander("What the file holds, and a template", icon=":material/help:"):
        st.markdown(COLUMNS)
        st.download_button(
            "Template (CSV)",
            partial(template, place.uec),
            file_name="zoomdiff-traffic-template.csv",
            mime="text/csv",
            key="refine_template",
            on_click="ignore",
            icon=":material/download:",
            help="Base stations of this region with made-up numbers: replace them by yours.",
        )
    one, two = st.columns(2)
    unit = one.selectbox("Unit of the volumes", list(BYTES_PER), key="refine_unit")
    fill = two.selectbox("Where values are missing", list(FILLS), key="refine_fill")
    zone = st.text_input(
        "Time zone of the place, if times are in UTC",
        key="refine_zone",
        placeholder="Europe/Helsinki",
        help="Times without an offset are then UTC; all are converted to local time. Empty: they are local already.",
    ).strip()
    if traffic is None:
        return None, ""
    files = [(each.name, each.getvalue()) for each in (traffic, sites) if each is not None]
    digest = hashlib.sha256(repr(([(name, len(content)) for name, content in files], unit, fill, zone)).encode())
    for _, content in files:
        digest.update(content)
    about = digest.hexdigest()
    # Read once: a rerun of the page must not read 50 MB again.
    reading = about, work.region_key(place.region)
    if st.session_state.get("refine_read", (None,))[0] != reading:
        with st.spinner("Reading the traffic …"):
            st.session_state.refine_read = (reading, *_read(files, place.uec, unit, FILLS[fill], zone or None))
    _, known, problem = st.session_state.refine_read
    if problem:
        messages.error(problem)
    else:
        st.success(f"{_what(known)} {' '.join(map(plain, known.notes))}", icon=":material/check:")
    return known, about


def _read(
    files: list[tuple[str, bytes]], uec: UEC, unit: str, fill: float | str | None, zone: str | None
) -> tuple[FittedTraffic | None, str | None]:
    """The traffic of uploaded (name, content), or the one sentence that says why it cannot be used."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, (name, content) in enumerate(files):
            # The name is shown in messages, so it is kept as far as a file can be called so.
            path = Path(folder, str(number), Path(name.replace("\\", "/")).name[-100:] or "file")
            path.parent.mkdir()
            path.write_bytes(content)
            paths.append(path)
        try:
            sites = paths[1] if len(paths) > 1 else None
            return fit(read_measurements(paths[0], sites=sites, unit=unit, zone=zone, fill=fill), uec), None
        except ZoomDiffError as error:
            return None, str(error)


def _what(known: FittedTraffic) -> str:
    step = "1 day" if known.hours == 24 else f"{known.hours} h"
    total = human_bytes(known.traffic.sum())
    return f"**{len(known.ids):,} base stations or cells**, steps of {step}, **{total}** in the week."


def _run_button(uec: UEC, known: FittedTraffic | None, key: str, seed: int, sampling: Sampling) -> None:
    def prepare() -> Job[Refined]:
        model, first = work.model(), S4T4.index(known.level) + 1

        def do(run: Run) -> Refined:
            callbacks = Callbacks(runs.by_stage(run, sampling.steps, first))
            options = {"seed": seed, "sampling": sampling, "callbacks": callbacks}
            own = refine_level(model, uec, known.volumes, known.level, **options)
            return Refined(key, known, own, hold(own, known))

        return Job(do, work.cost(uec.region, sampling.steps, first))

    how = "With the seed, steps and habits of the sidebar. Every given value is kept."
    runs.start_button("Refine to 50 m", NAME, prepare, ready=known is not None, help=how)


def _before(region: Region, known: FittedTraffic | None, below: list[pdk.Layer]) -> None:
    """What was given, while there is no result."""
    if known is None:
        st.info(
            "Upload measured traffic to see it at 50 m; the template shows how it may look.", icon=":material/info:"
        )
        layers = [*below, maps.blocks_layer(region)]
    else:
        given = spread_evenly(known)
        scale = Scale.of(given)
        st.html(_legend(scale))
        layers = [*below, *_traffic(given, region, scale, known)]
    st.pydeck_chart(
        compare.deck(layers, region, MAP_HEIGHT), height=MAP_HEIGHT, alt="Map of the given traffic", key="refine_map"
    )


def _result(done: Refined, below: list[pdk.Layer]) -> None:
    """The given and the refined side by side: maps, sums, and the week of a base station."""
    known, week = done.known, done.week
    given, refined = spread_evenly(known), week.volumes[-1].sum(0)
    scale = Scale.of(refined)
    st.html(_legend(scale))
    for column, words, values in zip(
        st.columns(2), ("Given, spread evenly", "Refined to 50 m"), (given, refined), strict=True
    ):
        column.markdown(f"**{words}**")
        layers = [*below, *_traffic(values, week.region, scale, known)]
        column.pydeck_chart(
            compare.deck(layers, week.region, MAP_HEIGHT), height=MAP_HEIGHT, alt=words, key=f"refine_{words}"
        )
    _sums(known, week)

    busiest = int(known.traffic.sum(0).argmax())
    # Names are the user's; a list shows them as they are, never as HTML.
    number = st.selectbox(
        "Week of the base station", range(len(known.ids)), busiest, format_func=known.ids.__getitem__, key="refine_one"
    )
    number = min(number, len(known.ids) - 1)
    weeks = {
        "given": known.traffic[:, number],
        "sum of the refined squares": served_bytes(week, known, 1)[:, number],
        "the model's own hours": served_bytes(done.own, known, 1)[:, number],
    }
    st.plotly_chart(compare.curves(weeks), key="refine_curve", config={"displayModeBar": False})
    st.caption(
        "The refined squares of a base station sum up to what was given in every step. The model's own hours are what "
        f"it makes of the given traffic at {week.level(S4T4.index(known.level)).side:.0f} m, before it is held."
    )
    st.download_button(
        "Refined traffic, 50 m and 1 h (GeoJSON)",
        partial(to_geojson, week, len(week.volumes) - 1),
        file_name="zoomdiff-refined-grid50.geojson",
        mime="application/geo+json",
        key="refine_save",
        on_click="ignore",
        icon=":material/download:",
    )


def _sums(known: FittedTraffic, week: TrafficWeek) -> None:
    """That nothing was lost: in all, and in the step and base station where it differs most."""
    given, refined = known.traffic.sum(), week.total()
    apart = np.abs(served_bytes(week, known) - known.traffic).max()
    kept = apart <= 1e-6 * known.traffic.max()
    words = "every step of every base station is kept" if kept else f"steps differ by up to {human_bytes(apart)}"
    st.markdown(
        f"Given **{human_bytes(given)}**, refined **{human_bytes(refined)}** in the week: {words}."
        if kept
        else f":material/warning: Given **{human_bytes(given)}**, refined **{human_bytes(refined)}**: {words}."
    )


def _traffic(values: np.ndarray, region: Region, scale: Scale, known: FittedTraffic) -> list[pdk.Layer]:
    """A week's volumes (H, W), and where they were measured."""
    places = maps.point_layer("stations", known.lonlat, [[20, 18, 26]] * len(known.lonlat))
    return [maps.raster_layer("traffic", scale.entries(values), traffic(), region, OPACITY), places]


def _legend(scale: Scale) -> str:
    return scale_legend("Traffic of the week per 50 m square; dots: base stations", scale, traffic(), opacity=OPACITY)


def spread_evenly(known: FittedTraffic) -> np.ndarray:
    """(H, W) bytes of the week per finest grid, each cell's spread evenly over what it serves."""
    served = known.zones != NONE
    area = np.bincount(known.zones[served], minlength=len(known.ids))
    per_square = known.traffic.sum(0) / area
    return np.where(served, per_square[known.zones], 0.0)


def template(uec: UEC) -> str:
    """A CSV that can be uploaded as it is: base stations of the region, with hours made up from the people there."""
    region = uec.region
    at = np.argwhere(region.blocks)
    lonlat = region.centres(0)[tuple(at.T)].round(6)
    side = region.hierarchy.block
    times = pd.date_range(WEEK_START, periods=HOURS_PER_WEEK, freq="h").strftime("%Y-%m-%d %H:%M")
    tables = []
    for number, ((row, col), (lon, lat)) in enumerate(zip(at, lonlat, strict=True), 1):
        block = np.s_[:, row * side : (row + 1) * side, col * side : (col + 1) * side]
        made_up = np.round(1e6 * (1 + uec.population[block].sum((1, 2)))).astype(np.int64)
        tables.append(pd.DataFrame({"time": times, "site": f"BS {number}", "lon": lon, "lat": lat, "bytes": made_up}))
    return pd.concat(tables).to_csv(index=False)
