"""The downloads: a kind of file, a level, a time window, and one button; files are made only when asked for."""

from functools import partial

import streamlit as st
from zoomdiff.app import charts
from zoomdiff.app.guard import guarded

from zoomdiff.context import UEC
from zoomdiff.export.cells import WEEK
from zoomdiff.export.formats import FORMATS, Export, to_bytes
from zoomdiff.export.reproduce import Inputs
from zoomdiff.levels import HOURS_PER_DAY
from zoomdiff.week import WEEKDAYS, TrafficWeek, human_bytes

LARGEST = 500e6  # bytes of one download: it is made in memory, which other users need, too


@st.fragment
@guarded
def panel(
    week: TrafficWeek,
    uec: UEC,
    k: int,
    step: int,
    *,
    inputs: Inputs | None = None,
    logarithmic: bool = False,
) -> None:
    """Choose a file of the week and download it; at first the level and the day that are shown, k and `step` of it.

    inputs       what the user gave, for the recipe; without it the recipe does not say which map was used
    logarithmic  whether the picture's colours are
    """
    left, right = st.columns(2)
    name = left.selectbox(
        "File",
        [name for name, kind in FORMATS.items() if kind.mime],
        format_func=lambda name: FORMATS[name].title,
        key="download_file",
        persist_state="page",
    )
    kind, level = FORMATS[name], k
    if name == "png":
        right.selectbox("Level and time", [week.time_label(k, step)], key="download_view", disabled=True)
    elif kind.level:
        # The key has k in it, so that the choice follows the map to another level.
        words = [charts.level_words(each) for each in week.region.hierarchy]
        level = right.selectbox("Level", range(len(words)), k, format_func=words.__getitem__, key=f"download_level_{k}")
    hours = _window(week, level, name, step * week.level(k).hours // HOURS_PER_DAY) if kind.long else WEEK
    export = Export(week, uec, level, hours, step if name == "png" else None, logarithmic, inputs or Inputs())
    size = kind.size(export)
    st.caption(kind.about)
    if size > LARGEST:
        st.warning(
            f"This file would have about {human_bytes(size)}, more than {human_bytes(LARGEST)}: choose a shorter time, "
            "a coarser level or another kind of file.",
            icon=":material/info:",
        )
    st.download_button(
        f"Download {kind.file_name(export)}, about {human_bytes(size)}",
        partial(to_bytes, export, name),
        file_name=f"zoomdiff-{kind.file_name(export)}",
        mime="application/gzip" if kind.file_name(export).endswith(".gz") else kind.mime,
        key="download",
        on_click="ignore",
        icon=":material/download:",
        type="primary",
        width="stretch",
        disabled=size > LARGEST,
    )


def _window(week: TrafficWeek, k: int, name: str, day: int) -> range:
    """The hours of the week to write, chosen by steps of level k; at first a day, or of a table the whole week."""
    hours, per_day, steps = week.level(k).hours, week.level(k).steps_per_day, len(week.volumes[k])
    first, last = 0, steps - 1
    if name == "geojson-long":
        first, last = day * per_day, (day + 1) * per_day - 1
    left, right = st.columns(2)
    key = f"{name}_{k}_{first}"
    first = left.selectbox(
        "From", range(steps), first, format_func=lambda t: _clock(t * hours), key=f"download_from_{key}"
    )
    last = right.selectbox(
        "To",
        range(first, steps),
        max(last - first, 0),
        format_func=lambda t: _clock((t + 1) * hours, end=True),
        key=f"download_to_{key}_{first}",
    )
    return range(first * hours, (last + 1) * hours)


def _clock(hour: int, *, end: bool = False) -> str:
    """An hour of the week for people: 'Tue 08:00'; a day begins at 'Tue 00:00', and its end is 'Tue 24:00'."""
    day, of_day = divmod(hour, HOURS_PER_DAY)
    if end and of_day == 0:
        day, of_day = day - 1, HOURS_PER_DAY
    return f"{WEEKDAYS[day]} {of_day:02d}:00"
