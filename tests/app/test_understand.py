"""The panels that explain a week: what they draw and say, and the weeks that show how sure it is."""

import json
import re
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from panel_page import PATIENCE, finish, run_of
from streamlit.testing.v1 import AppTest
from zoomdiff.app import charts, figures, runs, uncertainty, understand
from zoomdiff.app.messages import plain

from zoomdiff.analysis import correlation, decomposition, ensemble, realism, surroundings
from zoomdiff.context import build_uec
from zoomdiff.context.classes import AOI_CLASSES, AOI_COLOURS
from zoomdiff.errors import OptionError
from zoomdiff.levels import S4T4
from zoomdiff.realism import table as realism_table
from zoomdiff.week import TrafficWeek

CELL = (9, 4)  # the busiest finest cell of the week


@pytest.fixture(scope="module")
def uec(layers, region):
    return build_uec(layers, region)


@pytest.fixture(scope="module")
def made(week) -> TrafficWeek:
    """The week as `generate` gives it: with how it was made."""
    return replace(week, provenance={"seed": 5, "steps": 2, "preset": "china"})


def script(week, uec, k, cell) -> None:
    from zoomdiff.app import understand

    understand.panel(week, uec, k, cell)


def open_panel(name: str, week, uec, k: int = 3, cell: tuple[int, int] = CELL) -> AppTest:
    page = AppTest.from_function(
        script, default_timeout=PATIENCE, kwargs={"week": week, "uec": uec, "k": k, "cell": cell}
    )
    page.session_state["understand"] = name
    page.run()
    assert not page.exception
    return page


def drawn(page: AppTest) -> list[dict]:
    """The charts as the browser gets them."""
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def titles(page: AppTest) -> list[str]:
    """Of the charts that have theirs in the figure."""
    return [chart["layout"]["title"]["text"] for chart in drawn(page) if "title" in chart["layout"]]


def words(page: AppTest) -> str:
    return " ".join(element.value for element in (*page.markdown, *page.caption, *page.info, *page.error))


@pytest.mark.parametrize("name", [n for n in understand.PANELS if n not in (understand.SURE, understand.REAL)])
def test_every_chart_has_a_title_and_axes_with_words(name, made, uec):
    charts_ = drawn(open_panel(name, made, uec))
    assert charts_
    for chart in charts_:
        layout = chart["layout"]
        assert layout.get("title", {}).get("text") or name == understand.RHYTHM  # there the page has it
        named = [axis for axis in layout if axis.startswith(("xaxis", "yaxis"))]
        if chart["data"][0]["type"] == "bar":
            assert layout["xaxis"]["title"]["text"]  # the other axis has names
            continue
        outer = [layout[axis] for axis in named if layout[axis].get("showticklabels", True)]
        assert len(outer) >= 2 and all(axis["title"]["text"] for axis in outer)


def test_the_place_has_totals_and_shares(made, uec):
    page = open_panel(understand.PLACE, made, uec)
    shown = titles(page)
    km = surroundings.road_metres(uec).sum() / 1000
    assert f"Roads and paths: {km:,.0f} km" in shown and "Places people visit: 1" in shown
    assert any(title.startswith("About ") and title.endswith("Wed 3:00") for title in shown)
    assert "estimate" in words(page)
    shares = next(chart for chart in drawn(page) if chart["layout"]["title"]["text"] == "Share by main use")
    assert "no known use" in shares["data"][0]["y"] and "water" in shares["data"][0]["y"]


def test_an_empty_place_has_its_panel_too(made, uec):
    nothing = {name: np.zeros_like(getattr(uec, name)) for name in ("structure", "aoi", "poi", "population")}
    page = open_panel(understand.PLACE, made, replace(uec, **nothing))
    assert "Buildings: 0 % of the ground" in titles(page) and "Places people visit: 0" in titles(page)


def test_levels_alike_says_what_the_coefficient_is(made, uec):
    page = open_panel(understand.ALIKE, made, uec)
    assert "**How alike are the levels?** The RV-coefficient" in words(page)
    (ups,) = drawn(page)
    page.segmented_control(key="rv_of").set_value(understand.VOLUMES).run()
    (volumes,) = drawn(page)
    assert ups["layout"]["title"]["text"] != volumes["layout"]["title"]["text"]
    assert ups["data"][0]["z"] != volumes["data"][0]["z"]


def test_the_rhythm_of_a_place_and_of_a_use(made, uec):
    page = open_panel(understand.RHYTHM, made, uec)
    assert "at a base station" in words(page) and "at a 50 m square" in words(page)
    (here,) = drawn(page)
    assert [trace["name"] for trace in here["data"] if trace["showlegend"]] == [
        "base station",
        "cell",
        "100 m square",
        "50 m square",
    ]
    page.selectbox(key="rhythm_of").set_value(correlation.WHOLE).run()
    assert "**Hourly traffic of whole region**" in words(page)
    page.selectbox(key="rhythm_of").set_value("green").run()  # 30 m of park fill no base station
    assert not drawn(page) and "no base station" in words(page)


def test_a_small_region_is_not_compared_with_real_cities(made, uec):
    page = open_panel(understand.REAL, made, uec)
    (info,) = page.info
    assert "at least 30 of them" in info.value and not drawn(page)


def test_a_town_is_compared_with_real_cities(made, uec, monkeypatch):
    """With a made-up table: regions that are large enough are slow to make."""
    rows = {name: 0.5 for name in understand.REAL_WORDS} | {"a statistic that is not shown": 1.0}
    table = pd.DataFrame({"week": rows, "week inside": True, "from": 0.4, "to": 0.6})
    table[list(understand.CITIES)] = 0.5
    table.loc["Gini", ["week", "week inside", "Jinan"]] = 0.3, False, np.nan
    table.loc["workday peak, hour", ["week", "Milan"]] = 21.0, 18.0
    monkeypatch.setattr(realism, "beside_real_cities", lambda *_: table)
    page = open_panel(understand.REAL, replace(made, provenance={"seed": 7}), uec)
    assert "**15 of 16** statistics" in words(page)
    shown = page.dataframe[0].value
    gini = shown.loc["inequality of places (Gini, 0 to 1)"]
    assert (gini["this week"], gini["beside the cities"], gini["Jinan"]) == ("0.30", "below", "–")
    assert shown.loc["busiest hour of a workday", ["this week", "Milan"]].tolist() == ["21:00", "18:00"]
    (spans,) = drawn(page)
    star = next(trace for trace in spans["data"] if trace.get("name") == "this week")
    assert len(star["y"]) == 16 and "a statistic that is not shown" not in star["y"]


def test_the_realism_table_has_all_cities_and_statistics_that_are_shown():
    assert understand.CITIES == realism_table.CITIES
    assert set(understand.REAL_WORDS) == {row.name for row in realism_table.ROWS if row.group}


def test_different_weeks_have_different_keys(made, uec):
    assert understand.week_key(made) == understand.week_key(replace(made))
    finest = made.volumes[-1].copy()
    finest[0, 9, 4] += 1
    changed = replace(made, volumes=tuple(S4T4.pyramid(finest)))
    seeded = replace(made, provenance=made.provenance | {"seed": 6})
    assert len({understand.week_key(week) for week in (made, changed, seeded)}) == 3


def test_weeks_are_made_and_shown(made, uec, model, untrained):
    page = open_panel(understand.SURE, made, uec, k=1)
    page.segmented_control(key="spread_weeks").set_value(10).run()
    page.button(key="spread_start").click().run()
    finish(page, "spread")
    (found,) = page.session_state["spreads"].values()
    assert (found.k, found.weeks) == (1, 10)
    weeks = [made, *(ensemble.again(model, made, uec, 5 + n) for n in range(1, 10))]
    np.testing.assert_array_equal(found.steps, ensemble.spread(weeks, 1, 10).steps)
    *maps, band = drawn(page)
    assert titles(page) == ["P10 (low)", "P50 (middle)", "P90 (high)"]
    assert len({chart["data"][0]["zmax"] for chart in maps}) == 1  # one colour scale
    assert "**Traffic of 10 weeks, the whole week**" in words(page)
    assert [trace.get("name") for trace in band["data"]][1:] == [
        "P10 to P90: eight weeks in ten",
        "P50: the middle",
        "the week on the map",
    ]
    assert "per cell and 4 h" in band["layout"]["yaxis"]["title"]["text"]
    page.selectbox(key="spread_when_1").set_value(3).run()
    assert "**Traffic of 10 weeks, Mon 12:00-16:00**" in words(page)
    assert not [button for button in page.button if button.key == "spread_start"]  # it is there already


@pytest.fixture
def endless(untrained, monkeypatch) -> threading.Event:
    """Weeks that are never finished, but report every step; the event says that they have ended."""
    ended = threading.Event()

    def again(model, week, uec, seed, on_step):
        try:
            while True:
                on_step(2, 1, 4)
                time.sleep(0.001)
        finally:
            ended.set()

    monkeypatch.setattr(ensemble, "again", again)
    return ended


def test_cancel_ends_the_weeks_and_leaves_the_page_usable(made, uec, endless):
    page = open_panel(understand.SURE, made, uec)
    page.button(key="spread_start").click().run()
    page.button(key="spread_cancel").click().run()
    assert run_of(page, "spread") is None
    page.run()
    assert not page.exception and not page.error and not page.button(key="spread_start").disabled


def test_a_closed_page_gives_its_weeks_up(made, uec, endless, monkeypatch):
    monkeypatch.setattr(runs, "_connection", lambda: lambda: False)
    page = open_panel(understand.SURE, made, uec)
    page.button(key="spread_start").click().run()
    finish(page, "spread")
    assert [error.value for error in page.error] == [plain(runs.GIVEN_UP)] and not page.button(
        key="spread_start"
    ).disabled


def test_another_week_ends_the_weeks_of_the_first(made, uec, endless):
    page = open_panel(understand.SURE, made, uec)
    page.button(key="spread_start").click().run()
    other = open_panel(understand.SURE, replace(made, provenance={"seed": 6}), uec)
    other.session_state["runs"] = {"spread": run_of(page, "spread")}
    other.run()
    assert run_of(other, "spread") is None and endless.wait(PATIENCE)


def test_progress_reaches_the_end_and_never_goes_back(made, uec, model):
    seen = []
    run = SimpleNamespace(report=lambda words, share: seen.append((words, share)))
    for _ in uncertainty._weeks(run, model, made, uec, 10):
        pass
    words, shares = zip(*seen, strict=True)
    assert list(shares) == sorted(shares) and shares[-2:] == (pytest.approx(1), 1)
    assert len(seen) == 9 * 4 * 2 + 1  # weeks, levels, steps; the comparison
    assert words[0] == "Week 2 of 10: base station, step 1 of 2" and words[-1] == "Comparing the weeks …"
    assert re.fullmatch(r"Week 10 of 10: 50 m square, step 2 of 2, about \d+ s left", words[-2])


def test_what_goes_wrong_is_one_sentence(made, uec, untrained, monkeypatch):
    def again(*_):
        raise OptionError("The seed is wrong.")

    monkeypatch.setattr(ensemble, "again", again)
    page = open_panel(understand.SURE, made, uec)
    page.button(key="spread_start").click().run()
    finish(page, "spread")
    assert [error.value for error in page.error] == ["The seed is wrong."]
    assert not page.button(key="spread_start").disabled


def test_too_much_is_refused_before_any_week_is_made(made, uec, endless, monkeypatch):
    monkeypatch.setattr(ensemble, "MOST_KEPT", 1000)
    page = open_panel(understand.SURE, made, uec)
    page.button(key="spread_start").click().run()
    assert "take too much memory" in page.error[0].value and run_of(page, "spread") is None


def test_maps_are_north_up_and_end_at_the_region(week, uec):
    values = np.zeros(week.region.shape)
    values[0, 0] = values[0, 15] = 7  # the north-eastern block is not in the region
    (trace,) = figures.layer_map(week.region, values, "A map", "things", "#336699").data
    assert trace.z[-1, 0] == 7 and np.isnan(trace.z[-1, 15])
    assert (trace.x0, trace.dx, trace.y0, trace.dy) == pytest.approx((0.025, 0.05, 0.025, 0.05))
    (use,) = figures.use_map(week.region, uec.aoi, "Use").data
    assert (use.text[::-1] == "water").sum() == (uec.aoi == AOI_CLASSES.index("water")).sum()


def test_every_use_has_a_colour_and_words():
    assert {figures.use_colour(name) for name in AOI_CLASSES} == {*AOI_COLOURS.values(), figures.NO_USE}
    assert "unknown" not in map(figures.use_words, AOI_CLASSES)


@pytest.mark.parametrize("background", ["#ffffff", "#171512", "#0e1117"])
def test_curves_are_legible_on_light_and_dark(background):
    """A contrast of 3 : 1, WCAG 2.1's least for graphics."""

    def luminance(colour: str) -> float:
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for colour in (*charts.LEVEL_COLOURS, figures.PEOPLE, figures.TRAFFIC, figures.ROAD, figures.HOUSE):
        high, low = sorted((luminance(colour), luminance(background)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3, colour


def test_the_band_is_of_the_chosen_cell(week, uec):
    weeks = [replace(week, volumes=tuple(n * x for x in week.volumes)) for n in range(1, 11)]
    found = ensemble.spread(weeks, 3, 10)
    figure = figures.band(week, found, CELL)
    low, high, _, mine = (np.array(trace.y)[:-1] * 1e9 for trace in figure.data)
    np.testing.assert_allclose(mine, week.volumes[3][:, 9, 4])
    np.testing.assert_allclose(low, found.steps[0][:, 9, 4], rtol=1e-6)
    np.testing.assert_allclose(high, found.steps[2][:, 9, 4], rtol=1e-6)
    assert figure.layout.yaxis.title.text == "GB per 50 m square and 1 h"


def test_the_chosen_cell_is_framed_on_the_map_of_traffic(week):
    total = week.volumes[1].sum(0)
    figure = figures.traffic_map(week, 1, total, 2e9, (2, 1), "A map")
    (shape,) = figure.layout.shapes  # six rows of 200 m: the third from the north begins at 600 m
    assert (shape.x0, shape.x1, shape.y0, shape.y1) == pytest.approx((0.2, 0.4, 0.6, 0.8))
    (trace,) = figure.data
    assert trace.zmax == 2 and trace.colorbar.title.text == "GB per cell"
    assert trace.z[3, 1] == pytest.approx(total[2, 1] / 1e9) and np.isnan(trace.z[5, 3])


def test_levels_have_the_same_words_as_the_week_curve(week):
    figure = figures.decomposition(
        [decomposition.decompose(correlation.hourly(week, k)[:, 0, 0]) for k in range(4)], [1.0] * 4
    )
    assert [trace.name for trace in figure.data if trace.showlegend] == [charts.cell_words(level)[0] for level in S4T4]
