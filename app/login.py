"""Who uses the page. Where Streamlit's secrets name an OpenID provider users log in, and makers may start runs."""

import os

import streamlit as st
from zoomdiff.app import messages

from zoomdiff.errors import OptionError

SECRETS = "STREAMLIT_SECRETS_FILES"
MAKERS = "ZOOMDIFF_MAKERS"  # addresses, or @example.com for all of a domain; where it is not set all may start runs


def required() -> bool:
    """Whether this server has users who log in. Where it names a file of secrets it has, whatever is in the file."""
    return bool(os.environ.get(SECRETS)) or _is_set_up()


def _is_set_up() -> bool:
    return st.secrets.load_if_toml_exists() and "auth" in st.secrets


def missing() -> bool:
    """Whether somebody must log in first; draws how."""
    if not required():
        return False
    if not _is_set_up():
        messages.error(f"Nobody can log in: whoever runs this server must give the file of {SECRETS} a part [auth].")
        return True
    if st.user.is_logged_in:
        return False
    messages.info("Log in to see and make weeks of mobile traffic.")
    st.button("Log in", on_click=st.login, type="primary")
    return True


def name() -> None:
    """Draw who is logged in, and how to leave."""
    if required():
        who, role = _address() or "somebody without a confirmed address", "" if _is_maker() else ", to look at weeks"
        st.caption(messages.plain(f"Logged in as {who}{role}."))
        st.button("Log out", on_click=st.logout)


def check_maker() -> None:
    """Raise OptionError where this user may look at weeks but not make them."""
    if not _is_maker():
        raise OptionError(
            f"You may look at weeks, but not make them: ask whoever runs this server to add you to {MAKERS}."
        )


def _is_maker() -> bool:
    makers = {each.strip(",") for each in os.environ.get(MAKERS, "").lower().split()}
    address = _address()
    return not makers or bool(address and {address, address[address.index("@") :]} & makers)


def _address() -> str:
    """The user's e-mail address, if the provider vouches for it."""
    if not required() or not st.user.get("email_verified", False):
        return ""
    address = str(st.user.get("email", "")).lower()
    return address if "@" in address else ""
