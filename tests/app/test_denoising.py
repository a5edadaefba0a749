"""The slider inside the denoising: what it makes, and what the map is sent."""

import numpy as np
import pytest
from panel_page import PATIENCE, finish
from streamlit.testing.v1 import AppTest
from zoomdiff.app import denoising, work, zoommap
from zoomdiff.app.colours import Scale
from zoomdiff.app.work import Request

from zoomdiff.errors import CheckpointError

K = 1


@pytest.fixture
def request_(week) -> Request:
    return Request("made up", work.region_key(week.region), 2, 0, "europe")


def script(week, uec, request, k) -> None:
    import streamlit as st
    from zoomdiff.app import denoising

    denoising.control(week, uec, request, k)
    st.session_state.sent = denoising.shown(request, k, st.session_state.sheets)


@pytest.fixture
def page(untrained, week, place, request_) -> AppTest:
    options = {"week": week, "uec": place.uec, "request": request_, "k": K}
    page = AppTest.from_function(script, default_timeout=PATIENCE, kwargs=options)
    page.session_state.scales = [Scale.of(x_k) for x_k in week.volumes]
    page.session_state.sheets = [zoommap.sheet(x_k) for x_k in week.volumes]
    return page.run()


def replaced(page: AppTest) -> list[int]:
    """The levels that the map is sent other traffic of."""
    pairs = zip(page.session_state.sent, page.session_state.sheets, strict=True)
    return [k for k, (sent, finished) in enumerate(pairs) if sent != finished]


def test_every_step_of_the_level_can_be_shown(page, week):
    assert replaced(page) == [] and not page.select_slider
    page.button(key="denoising_start").click().run()
    finish(page, "denoising")
    (slider,) = page.select_slider
    assert len(slider.options) == 150 and slider.value == 149 and replaced(page) == [K]
    noisiest = page.session_state.sent[K]
    assert len(noisiest.codes) == week.volumes[K].size
    assert noisiest.top == page.session_state.scales[K].top, "one colour scale for all steps"
    slider.set_value(77).run()
    assert replaced(page) == [K] and page.session_state.sent[K] != noisiest
    page.select_slider[0].set_value(0).run()
    assert replaced(page) == [] and not page.exception


def test_large_regions_keep_fewer_steps(page, monkeypatch, week):
    monkeypatch.setattr(denoising, "ROOM", 40 * week.volumes[K].size)
    page.button(key="denoising_start").click().run()
    finish(page, "denoising")
    assert page.session_state.denoising_film.steps == [*range(149, 0, -4), 0]


def test_another_level_has_no_steps_yet(page, week, place, request_):
    page.button(key="denoising_start").click().run()
    finish(page, "denoising")
    film = page.session_state.denoising_film
    other = AppTest.from_function(
        script, default_timeout=PATIENCE, kwargs={"week": week, "uec": place.uec, "request": request_, "k": 2}
    )
    for name in ("scales", "sheets"):
        other.session_state[name] = page.session_state[name]
    other.session_state.denoising_film = film
    other.run()
    assert not other.select_slider and other.button(key="denoising_start") and replaced(other) == []


def test_missing_weights_are_one_sentence(page, monkeypatch):
    def missing():
        raise CheckpointError("The weights are missing: restore them.")

    monkeypatch.setattr(work, "model", missing)
    page.button(key="denoising_start").click().run()
    assert [error.value for error in page.error] == ["The weights are missing\\: restore them."] and not page.exception


def test_noise_above_the_most_counts_as_the_most(request_):
    film = denoising.Film(request_, K, 100.0)
    film.add(5, np.array([[[0.0, 100.0, 1e9]]]))
    assert film.frames[5].tolist() == [[[0, 255, 255]]] and film.steps == [5, 0]
