"""How sure is a week? The model makes more weeks of the same place; P10, P50 and P90 of them as maps and as a band."""

import time
from collections.abc import Iterator
from functools import partial

import streamlit as st
from zoomdiff.app import charts, figures, runs, work
from zoomdiff.app.runs import Job, Run

from zoomdiff.analysis import ensemble
from zoomdiff.analysis.ensemble import Spread
from zoomdiff.context import UEC
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.levels import S4T4
from zoomdiff.sampling import OnStep
from zoomdiff.week import TrafficWeek, human_bytes

NAME = "spread"  # of its run, and the beginning of its keys
COUNTS = (10, 20, 40)
KEPT = 3  # results per session; one of 60,000 squares of 50 m takes 120 MB
SEEDS = 2**53  # as many as the page's field takes
LEAST_SHARE = 0.03  # of the work: before it there is nothing to estimate the rest of the time from
QUANTILES = "P10 (low)", "P50 (middle)", "P90 (high)"
WHOLE_WEEK = "the whole week"
Wanted = tuple[str, int, int]  # which week, level, number of weeks


def panel(key: str, week: TrafficWeek, uec: UEC, k: int, cell: tuple[int, int]) -> None:
    """Ask for weeks, watch them, see their spread at level k and in the finest cell `cell`; `key` names the week."""
    done: dict[Wanted, Spread] = st.session_state.setdefault("spreads", {})
    run = runs.find(NAME)
    if run and run.about[0] != key:  # of a week that is no longer shown
        runs.cancel(NAME)
        run = None
    cell_word, _ = charts.cell_words(week.level(k))
    st.markdown(
        "**How sure is this week?** The same place could have had another week. The model makes several, which differ "
        f"by chance only, and shows between which volumes most of them lie, per {cell_word}."
    )
    count, button = st.columns([2, 5], vertical_alignment="bottom")
    weeks = count.segmented_control(
        "Weeks", COUNTS, required=True, default=20, key="spread_weeks", persist_state="page", disabled=run is not None
    )
    wanted = (key, k, weeks)
    if not runs.follow(NAME, _keep, _caption) and wanted not in done:
        prepare = partial(_prepare, wanted, week, uec)
        button.button(
            f"Make {weeks} weeks",
            key="spread_start",
            type="primary",
            on_click=runs.start,
            args=(NAME, prepare, wanted),
        )
    if wanted in done:
        _result(week, done[wanted], cell)


def _prepare(wanted: Wanted, week: TrafficWeek, uec: UEC) -> Job[tuple[Wanted, Spread]]:
    _, k, count = wanted
    ensemble.check_room(week.region, k, count)
    model = work.model()

    def do(run: Run) -> tuple[Wanted, Spread]:
        return wanted, ensemble.spread(_weeks(run, model, week, uec, count), k, count)

    return Job(do, (count - 1) * work.cost(week.region, week.provenance["steps"]))


def _weeks(run: Run, model: DRDM, week: TrafficWeek, uec: UEC, count: int) -> Iterator[TrafficWeek]:
    """The week itself and those of the next seeds, one after the other."""
    yield week
    began, first = time.monotonic(), week.provenance.get("seed", 0)
    for made in range(1, count):
        yield ensemble.again(model, week, uec, (first + made) % SEEDS, _on_step(run, week, made, count, began))
    run.report("Comparing the weeks …", 1.0)


def _on_step(run: Run, week: TrafficWeek, made: int, count: int, began: float) -> OnStep:
    efforts = work.efforts(week.provenance.get("steps"))

    def on_step(k: int, step: int, steps: int) -> None:
        share = (made - 1 + work.share_done(efforts, k, step, steps)) / (count - 1)
        words = f"Week {made + 1} of {count}: {charts.cell_words(S4T4[k])[0]}, step {step} of {steps}"
        if share >= LEAST_SHARE:
            words += f", about {_duration((time.monotonic() - began) * (1 - share) / share)} left"
        run.report(words, share)

    return on_step


def _keep(made: tuple[Wanted, Spread]) -> None:
    spreads, (wanted, spread) = st.session_state.spreads, made
    spreads[wanted] = spread
    while len(spreads) > KEPT:
        spreads.pop(next(iter(spreads)))


def _caption(run: Run) -> None:
    _, k, _ = run.about
    level = charts.cell_words(S4T4[k])[0]
    st.caption(f"For the {level} level. Go on with the page meanwhile; the result stays here.")


def _result(week: TrafficWeek, spread: Spread, place: tuple[int, int]) -> None:
    k = spread.k
    side = week.region.hierarchy.space_factor(k)
    cell = place[0] // side, place[1] // side
    steps = [WHOLE_WEEK, *range(len(week.volumes[k]))]
    when = st.selectbox(
        "Maps of",
        steps,
        format_func=lambda step: step if step == WHOLE_WEEK else week.time_label(k, step),
        key=f"spread_when_{k}",
        width=340,
        persist_state="page",
    )
    volumes = spread.total if when == WHOLE_WEEK else spread.steps[:, when]
    label = WHOLE_WEEK if when == WHOLE_WEEK else week.time_label(k, when)
    cell_word, _ = charts.cell_words(week.level(k))
    st.markdown(f"**Traffic of {spread.weeks} weeks, {label}**")
    top = figures.robust_top(volumes)
    for column, name, values in zip(st.columns(3), QUANTILES, volumes, strict=True):
        drawn = figures.traffic_map(week, k, values, top, cell, name)
        column.plotly_chart(drawn, key=f"spread_{name}", config={"displayModeBar": False}, alt=f"Map of {name}")
    st.caption(f"P10: nine weeks in ten carry more in this {cell_word}. P90: nine weeks in ten carry less.")
    own = spread.total[:, *cell]
    words = ", ".join(
        f"{name} {human_bytes(float(value))}" for name, value in zip(("P10", "P50", "P90"), own, strict=True)
    )
    st.markdown(f"**The chosen {cell_word} over the week** ({words} in the whole week)")
    band = figures.band(week, spread, cell)
    st.plotly_chart(band, key="spread_band", config={"displayModeBar": False}, alt="P10 to P90 of the chosen cell")
    st.caption(
        "The busiest of this week often lies above its band, as it was chosen for that: other weeks peak elsewhere."
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
