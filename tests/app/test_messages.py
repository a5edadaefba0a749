"""Text from outside is shown as text."""

from hypothesis import given
from hypothesis import strategies as st
from zoomdiff.app.messages import plain


@given(st.text())
def test_no_mark_of_markdown_is_left_bare(text):
    bare = plain(text).replace("\\\\", "")
    for mark in "`*_{}[]()#<>$~:|!":
        assert bare.count(mark) == bare.count("\\" + mark)


def test_a_line_cannot_become_a_heading_or_a_list():
    assert plain("a\n- b\n===") == "a - b ==="
