"""Errors in the program: what users see, and what the log has."""

import re

import pytest
import streamlit as st
from zoomdiff.app import guard


@guard.guarded
def broken() -> None:
    raise ZeroDivisionError("/home/someone/secret/path.py")


def test_users_see_a_sentence_with_a_number_that_the_log_has(monkeypatch, caplog):
    said = []
    monkeypatch.setattr(st, "get_option", {guard.DETAILS: "none"}.get)
    monkeypatch.setattr(guard.messages, "error", said.append)
    broken()
    number = re.search(r"report the error ([0-9a-f]{8}), under which", said[0])[1]
    assert "secret" not in said[0] and len(said) == 1
    assert f"error {number}" in caplog.text and "/home/someone/secret/path.py" in caplog.text


def test_where_details_are_shown_streamlit_shows_them(monkeypatch):
    monkeypatch.setattr(st, "get_option", {guard.DETAILS: "full"}.get)
    with pytest.raises(ZeroDivisionError):
        broken()
