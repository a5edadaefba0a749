"""The week curve."""

import numpy as np
import pytest
from zoomdiff.app import charts

from zoomdiff.levels import S4T4
from zoomdiff.week import UNITS


def test_intensity_of_even_traffic_is_the_same_at_all_levels():
    finest = np.full((168, 8, 8), 100.0)
    values = [charts.intensity(x, level) for x, level in zip(S4T4.pyramid(finest), S4T4, strict=True)]
    assert all(np.allclose(x, 400.0) for x in values)  # 100 B an hour on 0.25 ha


def test_busiest_cell(week):
    assert charts.busiest_cell(week.volumes[3]) == (9, 4)
    assert charts.busiest_cell(week.volumes[0]) == (1, 0)


def test_four_staircases_that_hold_the_place(week):
    figure = charts.week_curve(week, (9, 4), 2, 10)
    assert [trace.name for trace in figure.data] == [
        "1 day · base station",
        "4 h · cell",
        "2 h · 100 m grid",
        "1 h · 50 m grid",
    ]
    for k, trace in enumerate(figure.data):
        side, level = S4T4.space_factor(k), S4T4[k]
        mine = week.volumes[k][:, 9 // side, 4 // side]
        np.testing.assert_allclose(np.array(trace.y)[:-1] * 1e9, mine / level.hours / level.side**2 * 1e4)
        assert trace.line.shape == "hv" and trace.x[-1] == 168
    widths = [trace.line.width for trace in figure.data]
    assert max(widths) == widths[2] and widths.count(max(widths)) == 1


def test_units_are_on_both_axes(week):
    figure = charts.week_curve(week, (9, 4), 3, 0)
    assert figure.layout.yaxis.title.text == "GB per hour and hectare"
    assert "local time" in figure.layout.xaxis.title.text
    assert figure.layout.xaxis.ticktext == ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def test_unit_follows_the_volume(week):
    quiet = charts.week_curve(week, (20, 12), 3, 0)
    assert quiet.layout.yaxis.title.text == "MB per hour and hectare"
    assert 0 < max(max(trace.y) for trace in quiet.data) < 1000


def test_the_shown_step_is_shaded(week):
    (shade,) = charts.week_curve(week, (0, 0), 1, 7).layout.shapes
    assert (shade.x0, shade.x1) == (28, 32)


@pytest.mark.parametrize(
    ("k", "words", "cell"),
    [
        (0, "1 day · base station", ("base station", "1 day")),
        (1, "4 h · cell", ("cell", "4 h")),
        (3, "1 h · 50 m grid", ("50 m square", "1 h")),
    ],
)
def test_words(k, words, cell):
    assert charts.level_words(S4T4[k]) == words and charts.cell_words(S4T4[k]) == cell


def test_curves_of_several_cells_are_their_volumes(week):
    figure = charts.place_curves(week, [(0, 0), (5, 3)], 1, 7)
    assert [curve.name for curve in figure.data] == ["cell 1", "cell 2"]
    factor = next(factor for factor, unit in UNITS if figure.layout.yaxis.title.text == f"{unit} per 4 h")
    np.testing.assert_allclose(figure.data[1].y[:-1] * factor, week.volumes[1][:, 5, 3])
    (band,) = figure.layout.shapes
    assert (band.x0, band.x1) == (28, 32)


def test_several_cells_at_every_level(week):
    """Coarser lines show what a cell would have if its traffic were spread evenly over the coarser one."""
    cells = [(9, 4), (20, 12)]
    figure = charts.place_curves(week, cells, 3, 0, every_level=True)
    assert [trace.name for trace in figure.data[-2:]] == ["50 m square 1", "50 m square 2"]
    others = figure.data[:-2]
    assert len(others) == 6 and [trace.legendgroup for trace in others[:3]] == [
        charts.level_words(S4T4[k]) for k in range(3)
    ]
    assert [trace.showlegend for trace in others] == [True] * 3 + [False] * 3
    factor = next(factor for factor, unit in UNITS if figure.layout.yaxis.title.text == f"{unit} per 1 h")
    mine = week.volumes[1][:, 9 // 4, 4 // 4] / 4 / 16
    np.testing.assert_allclose(np.array(others[1].y)[:-1] * factor, mine)


def test_the_average_day_of_a_place(week):
    figure = charts.day_curve(week, (9, 4), 3)
    assert [trace.name for trace in figure.data] == [*(charts.level_words(level) for level in S4T4), "weekend"]
    days = week.volumes[3][:, 9, 4].reshape(7, 24) / 0.25
    factor = next(factor for factor, unit in UNITS if figure.layout.yaxis.title.text == f"{unit} per hour and hectare")
    np.testing.assert_allclose(np.array(figure.data[3].y)[:-1] * factor, days[:5].mean(0))
    np.testing.assert_allclose(np.array(figure.data[4].y)[:-1] * factor, days[5:].mean(0))
    assert len(figure.data[0].y) == 2 and figure.layout.xaxis.range == (0, 24) and not figure.layout.xaxis.ticktext


def test_average_days_of_several_cells(week):
    figure = charts.place_days(week, [(0, 0), (5, 3)], 1)
    assert [trace.name for trace in figure.data] == ["cell 1", "cell 2"]
    factor = next(factor for factor, unit in UNITS if figure.layout.yaxis.title.text == f"{unit} per 4 h")
    mine = week.volumes[1][:, 5, 3].reshape(7, 6)[:5].mean(0)
    np.testing.assert_allclose(np.array(figure.data[1].y)[:-1] * factor, mine)
