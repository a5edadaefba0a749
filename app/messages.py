"""Sentences on the page. What comes from outside (names of files, their tags, what a user typed) is shown as text."""

import re

import streamlit as st


def plain(text: str) -> str:
    """The text for a place that shows Markdown: nothing in it becomes a picture, a link, HTML or an icon."""
    return re.sub(r"([\\`*_{}\[\]()#<>$~:|!]|(?<=www)\.)", r"\\\1", " ".join(text.splitlines()))


def error(text: str) -> None:
    """What is wrong and what to do."""
    st.error(plain(text), icon=":material/error:")


def warning(text: str) -> None:
    """What is special here."""
    st.warning(plain(text), icon=":material/info:")


def info(text: str) -> None:
    """What to know."""
    st.info(plain(text), icon=":material/info:")
