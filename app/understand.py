"""Understand a week: what the model knew of the place, how alike levels are, rhythm, certainty, real cities."""

import hashlib

import numpy as np
import pandas as pd
import streamlit as st
from zoomdiff.app import charts, figures, messages, uncertainty
from zoomdiff.app.guard import guarded
from zoomdiff.app.work import region_key

from zoomdiff.analysis import correlation, decomposition, realism, surroundings
from zoomdiff.context import UEC
from zoomdiff.context.classes import AOI_CLASSES, POI_COLOURS, ROAD_CLASSES
from zoomdiff.context.uec import STRUCTURE
from zoomdiff.errors import OptionError
from zoomdiff.levels import HOURS_PER_DAY, S4T4
from zoomdiff.week import TrafficWeek

PLACE, ALIKE, RHYTHM, SURE, REAL = "The place", "Levels alike", "Trend and daily pattern", "How sure", "Real cities"
PANELS = (PLACE, ALIKE, RHYTHM, SURE, REAL)
NIGHT, NOON = 2 * HOURS_PER_DAY + 3, 2 * HOURS_PER_DAY + 12  # of Wednesday
RHYTHMS, VOLUMES = "Ups and downs", "Volumes as they are"
HERE = "the chosen place"
PLAIN = {"displayModeBar": False}
CITIES = ("Beijing", "Nanjing", "Nanchang", "Jinan", "Milan")
ALIGNED = {name: st.column_config.TextColumn(alignment="right") for name in ("this week", *CITIES)}
REAL_WORDS = {  # the realism table's statistics, for people
    "sd of ln(mean) over cells": "inequality of places (sd of ln of the mean)",
    "Gini": "inequality of places (Gini, 0 to 1)",
    "share of top 10 %": "share of the busiest tenth",
    "workday peak, hour": "busiest hour of a workday",
    "peak / trough": "busiest over quietest hour",
    "weekend / workday volume": "weekend day over workday",
    "autocorrelation, 1 h": "likeness to an hour before",
    "autocorrelation, 24 h": "likeness to a day before",
    "Taylor exponent": "Taylor exponent (variance over mean)",
    "temporal CV, median cell": "variation over the hours (CV)",
    "ln-sd around own profile": "deviation from the usual day (sd of ln)",
    "Moran's I of ln(mean)": "likeness of neighbours (Moran's I)",
    "correlation, 1 cell away": "correlation 400 m away",
    "correlation, 2 cells away": "correlation 800 m away",
    "correlation, 4 cells away": "correlation 1.6 km away",
    "correlation, 8 cells away": "correlation 3.2 km away",
}


@st.fragment
@guarded
def panel(week: TrafficWeek, uec: UEC, k: int, cell: tuple[int, int]) -> None:
    """Draw the panel that the user chooses: only that one is computed.

    uec   the context that the week was made for
    k     the level that is shown
    cell  the finest cell (row, col) that was chosen
    """
    chosen = st.segmented_control(
        "Understand",
        PANELS,
        required=True,
        default=PLACE,
        key="understand",
        label_visibility="collapsed",
        persist_state="page",
    )
    key = week_key(week)
    if chosen == PLACE:
        the_place(uec)
    elif chosen == ALIKE:
        levels_alike(key, week, uec)
    elif chosen == RHYTHM:
        rhythm(week, uec, cell)
    elif chosen == SURE:
        uncertainty.panel(key, week, uec, k, cell)
    else:
        real_cities(key, week, uec)


def week_key(week: TrafficWeek) -> str:
    """The same for weeks of the same region, context, seed, steps and habits: by base stations and provenance."""
    about = region_key(week.region) + repr(sorted(week.provenance.items()))
    return hashlib.sha256(about.encode() + week.volumes[0].tobytes()).hexdigest()


def the_place(uec: UEC) -> None:
    """Small maps of the context, each with its shares and totals."""
    region, inside = uec.region, uec.region.mask()
    st.caption("All that the model knows about the place. People present are an estimate.")
    for row, (left, right) in enumerate(((_buildings, _roads), (_use, _places))):
        drawn = [*left(uec), *right(uec)]
        for i, (column, figure) in enumerate(zip(st.columns(4), drawn, strict=True)):
            column.plotly_chart(figure, key=f"place_{row}_{i}", config=PLAIN, alt=figure.layout.title.text)
    people = surroundings.people_by_hour(uec)
    top = figures.robust_top(uec.population[:, inside])
    night, noon, week = st.columns([1, 1, 2])
    for column, hour, words in ((night, NIGHT, "3:00"), (noon, NOON, "12:00")):
        title = f"About {_rounded(people[hour]):,.0f} people, Wed {words}"
        unit = "people per 50 m square"
        drawn = figures.layer_map(region, uec.population[hour], title, unit, figures.PEOPLE, top)
        column.plotly_chart(drawn, key=f"people_{hour}", config=PLAIN, alt=title)
    title = "People present, hour by hour"
    week.plotly_chart(figures.people_curve(people, title), key="people", config=PLAIN, alt=title)


def _rounded(people: float) -> float:
    """Two digits: more would pretend to know."""
    return float(f"{people:.2g}")


def _buildings(uec: UEC) -> tuple:
    cover = 100 * uec.structure[STRUCTURE.index("building_cover")]
    share = cover[uec.region.mask()].mean()
    by_use = {figures.use_words(name): 100 * value for name, value in surroundings.cover_by_use(uec).items()}
    return (
        figures.layer_map(
            uec.region, cover, f"Buildings: {share:.0f} % of the ground", "% of the square", figures.HOUSE
        ),
        figures.bars(by_use, "Under buildings, by main use", "% of the ground", figures.HOUSE),
    )


def _roads(uec: UEC) -> tuple:
    metres = surroundings.road_metres(uec)
    by_class = {name: km for name, km in zip(ROAD_CLASSES, metres.sum((1, 2)) / 1000, strict=True) if km}
    total = f"Roads and paths: {sum(by_class.values()):,.0f} km"
    return (
        figures.layer_map(uec.region, metres.sum(0), total, "m per 50 m square", figures.ROAD),
        figures.bars(by_class, "Length by kind of road", "km", figures.ROAD, ",.1f"),
    )


def _use(uec: UEC) -> tuple:
    shares = surroundings.use_shares(uec)
    colours = [figures.use_colour(name) for name in shares]
    named = {figures.use_words(name): 100 * share for name, share in shares.items()}
    return (
        figures.use_map(uec.region, uec.aoi, "Main use of the ground"),
        figures.bars(named, "Share by main use", "% of the ground", colours, ".1f"),
    )


def _places(uec: UEC) -> tuple:
    counts = surroundings.poi_counts(uec)
    title = f"Places people visit: {sum(counts.values()):,.0f}"
    colours = [POI_COLOURS[name] for name in counts]
    return (
        figures.layer_map(uec.region, uec.poi.sum(0), title, "places per 50 m square", figures.POI),
        figures.bars(counts, "Places by category", "places", colours),
    )


def levels_alike(key: str, week: TrafficWeek, uec: UEC) -> None:
    """The RV-coefficient between levels, by the main use of their cells."""
    st.markdown(
        "**How alike are the levels?** The RV-coefficient compares the hours of the week at two levels: 1 means that "
        "big and small cells rise and fall together, 0 that they have nothing in common."
    )
    how = st.segmented_control(
        "Compare",
        (RHYTHMS, VOLUMES),
        required=True,
        default=RHYTHMS,
        key="rv_of",
        persist_state="page",
        help="Ups and downs: around each cell's own mean. Volumes as they are: Eq. 1 of the paper, near 1 for "
        "almost anything, as traffic is never negative.",
    )
    tables = _rv(key, week, uec, centred=how == RHYTHMS)
    figure = figures.rv_heatmap(tables, f"RV-coefficient of hourly traffic: {how.lower()}")
    st.plotly_chart(figure, key="rv", config=PLAIN, alt="Heatmap of the RV-coefficient between levels by use")
    st.caption(
        "A cell has the use that most of its 50 m squares have. A field is empty where no cell of a size has it."
    )


@st.cache_data(max_entries=16, show_spinner="Comparing levels …")
def _rv(key: str, _week: TrafficWeek, _uec: UEC, *, centred: bool) -> dict[str, np.ndarray]:
    return correlation.rv_by_use(_week, _uec, centred=centred)


def rhythm(week: TrafficWeek, uec: UEC, cell: tuple[int, int]) -> None:
    """Trend, daily pattern and rest of the hourly traffic of the place, or of a use, at all levels."""
    uses = list(surroundings.use_shares(uec))
    where = st.selectbox(
        "Traffic of",
        [HERE, correlation.WHOLE, *uses],
        format_func=lambda name: f"cells of main use: {figures.use_words(name)}" if name in uses else name,
        key="rhythm_of",
        width=340,
        persist_state="page",
    )
    words, means, parts = [], [], []
    for k, level in enumerate(S4T4):
        series = _series(week, uec, k, cell, where)
        if series is None or not series.any():
            st.info(f"There is no traffic to show here: no {charts.cell_words(level)[0]} of this use carries any.")
            return
        part = decomposition.decompose(series)
        means.append(series.mean())
        parts.append(part)
        words.append(f"{100 * part.explained:.0f} % at a {charts.cell_words(level)[0]}")
    st.markdown(f"**How regular is it?** Trend and daily pattern explain of the ups and downs: {', '.join(words)}.")
    meant = f"cells of main use: {figures.use_words(where)}" if where in uses else where
    st.markdown(f"**Hourly traffic of {meant}**")
    st.plotly_chart(
        figures.decomposition(parts, means), key="decomposition", config=PLAIN, alt="Trend, daily pattern and rest"
    )
    st.caption(
        "Trend: the mean of the 24 hours around; in the first and last 12 hours of the week it goes on in a straight "
        "line. Daily pattern: what is the same every day. Rest: all else."
    )


def _series(week: TrafficWeek, uec: UEC, k: int, cell: tuple[int, int], where: str) -> np.ndarray | None:
    """(168,) hourly bytes of the cells of level k that are meant; None where there are none."""
    traffic = correlation.hourly(week, k)
    if where == HERE:
        side = week.region.hierarchy.space_factor(k)
        return traffic[:, cell[0] // side, cell[1] // side]
    chosen = week.region.mask(k)
    if where != correlation.WHOLE:
        chosen = surroundings.main_use(uec, k) == AOI_CLASSES.index(where)
    return traffic[:, chosen].mean(1) if chosen.any() else None


def real_cities(key: str, week: TrafficWeek, uec: UEC) -> None:
    """The realism table, where the region is large enough to be compared."""
    try:
        table = _beside(key, week, uec)
    except OptionError as error:
        messages.info(str(error))
        return
    shown = table.loc[[name for name in REAL_WORDS if name in table.index]].rename(index=REAL_WORDS)
    inside = int(shown["week inside"].sum())
    st.markdown(
        f"**{inside} of {len(shown)}** statistics of this week lie between those of five real cities. "
        "Compared are base stations in towns, hour by hour."
    )
    figure = figures.realism_spans(shown, CITIES)
    st.plotly_chart(figure, key="spans", config=PLAIN, alt="Each statistic in its range over real cities")
    st.dataframe(_for_people(shown), height="content", column_config=ALIGNED, alt="The same as a table")
    st.caption("Real cities: from open measurements. All numbers but the busiest hour have no unit.")


@st.cache_data(max_entries=8, show_spinner="Comparing with real cities …")
def _beside(key: str, _week: TrafficWeek, _uec: UEC) -> pd.DataFrame:
    return realism.beside_real_cities(_week, _uec)


def _for_people(table: pd.DataFrame) -> pd.DataFrame:
    verdict = np.select([table["week inside"], table["week"] < table["from"]], ["within", "below"], default="above")
    numbers = pd.DataFrame({"this week": table["week"]} | {city: table[city] for city in CITIES}, table.index)
    words = numbers.map(lambda value: "–" if np.isnan(value) else f"{value:.2f}")
    hour = REAL_WORDS["workday peak, hour"]
    words.loc[hour] = numbers.loc[hour].map("{:.0f}:00".format)
    words.insert(1, "beside the cities", verdict)
    return words.rename_axis("statistic")
