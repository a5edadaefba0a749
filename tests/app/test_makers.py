"""Who may start runs."""

from types import SimpleNamespace

import pytest
from zoomdiff.app import login

from zoomdiff.errors import OptionError


@pytest.fixture
def user(monkeypatch) -> dict:
    """A user who has logged in."""
    user = {"email": "Planner@Example.com", "email_verified": True}
    monkeypatch.setattr(login, "required", lambda: True)
    monkeypatch.setattr(login.st, "user", SimpleNamespace(is_logged_in=True, get=user.get))
    return user


@pytest.mark.parametrize("makers", [None, "", "planner@example.com", "a@b.c, PLANNER@example.com", "@example.com"])
def test_makers_may(user, monkeypatch, makers):
    if makers is not None:
        monkeypatch.setenv(login.MAKERS, makers)
    login.check_maker()


@pytest.mark.parametrize("makers", ["example.com", "@ample.com", "@example.com.evil", "other@example.com", "@"])
def test_others_may_not(user, monkeypatch, makers):
    monkeypatch.setenv(login.MAKERS, makers)
    with pytest.raises(OptionError, match="add you to ZOOMDIFF_MAKERS"):
        login.check_maker()


@pytest.mark.parametrize(
    "change", [{"email_verified": False}, {"email_verified": None}, {"email": ""}, {"email": None}, {"email": "@"}]
)
def test_only_addresses_that_the_provider_vouches_for_count(user, monkeypatch, change):
    user |= change
    monkeypatch.setenv(login.MAKERS, "planner@example.com @example.com")
    with pytest.raises(OptionError):
        login.check_maker()


def test_a_file_of_secrets_without_a_login_shows_nothing(monkeypatch, tmp_path):
    said = []
    monkeypatch.setenv(login.SECRETS, str(tmp_path / "missing.toml"))
    monkeypatch.setattr(login.messages, "error", said.append)
    monkeypatch.setattr(login.st, "secrets", SimpleNamespace(load_if_toml_exists=lambda: False))
    assert login.required() and login.missing()
    assert said == [
        "Nobody can log in: whoever runs this server must give the file of STREAMLIT_SECRETS_FILES a part [auth]."
    ]


def test_without_a_login_nobody_is_a_maker_where_makers_are_named(monkeypatch):
    login.check_maker()
    monkeypatch.setenv(login.MAKERS, "planner@example.com")
    with pytest.raises(OptionError):
        login.check_maker()
