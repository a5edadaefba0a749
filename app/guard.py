"""What the page shows of an error in the program: a sentence with a number, which the server's log has too."""

import logging
import secrets
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st
from zoomdiff.app import messages

P = ParamSpec("P")
LOG = logging.getLogger("zoomdiff.app")
DETAILS = "client.showErrorDetails"  # "none" in the app's settings: a traceback has paths of the server in it


def guarded(draw: Callable[P, None]) -> Callable[P, None]:
    """A part of the page whose errors users see as one sentence; where details are shown, as Streamlit shows them."""

    @wraps(draw)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            draw(*args, **kwargs)
        except Exception:  # Streamlit's own, by which it stops and reruns a script, are none
            if st.get_option(DETAILS) != "none":
                raise
            number = secrets.token_hex(4)
            LOG.exception("error %s", number)
            messages.error(
                f"Something in the program went wrong. Reload the page, or try other settings; if it happens again, "
                f"report the error {number}, under which the server's log has the details."
            )

    return call
