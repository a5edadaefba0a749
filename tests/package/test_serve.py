"""The command `zoomdiff app`."""

import re
import socket
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zoomdiff import cli, serve
from zoomdiff.errors import OptionError


@pytest.mark.parametrize("package", serve.APP_NEEDS)
def test_without_the_extra_the_command_says_what_to_install(monkeypatch, capsys, package: str):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(sys, "argv", ["zoomdiff", "app"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == cli.BAD_INPUT
    assert capsys.readouterr().err == f"Error: The app needs {package}: pip install 'zoomdiff[app]'.\n"


def test_the_options_reach_streamlit(monkeypatch):
    given = []
    monkeypatch.setattr("streamlit.web.cli.main", lambda arguments, prog_name: given.extend(arguments))
    result = CliRunner().invoke(cli.app, ["app", "--port", "9000", "--host", "127.0.0.1", "--no-browser"])
    assert result.exit_code == 0, result.output
    assert given[0] == "run"
    assert given[1].endswith("asgi.py")
    assert given[2:5] == ["--server.address=127.0.0.1", "--server.port=9000", "--server.headless=true"]


def test_only_known_names_reach_the_app(monkeypatch):
    """Under another name, a site could let its visitors' browsers reach into their network (DNS rebinding)."""
    given = []
    monkeypatch.setattr("streamlit.web.cli.main", lambda arguments, prog_name: given.extend(arguments))
    serve.serve(host="0.0.0.0", names=["zoomdiff.example.com"])
    allowed = [flag.removeprefix("--server.allowedHosts=") for flag in given if "allowedHosts" in flag]
    assert allowed == ["zoomdiff.example.com", *serve.LOCAL]
    given.clear()
    serve.serve(host="192.168.1.5")
    assert "--server.allowedHosts=192.168.1.5" in given
    settings = tomllib.loads((Path(__file__).parents[2] / "app" / ".streamlit" / "config.toml").read_text())
    assert tuple(settings["server"]["allowedHosts"]) == serve.LOCAL


def test_without_options_the_settings_of_the_app_hold(monkeypatch):
    given = []
    monkeypatch.setattr("streamlit.web.cli.main", lambda arguments, prog_name: given.extend(arguments))
    serve.serve()
    assert given[0] == "run"
    assert len(given) == 2


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        ("ZOOMDIFF_MAX_KM2", "abc", "ZOOMDIFF_MAX_KM2 must be a number of km2 above 0, not 'abc'."),
        ("ZOOMDIFF_MAX_WORK", "-1", "ZOOMDIFF_MAX_WORK must be a number of km2 x steps above 0, not '-1'."),
        ("ZOOMDIFF_READ_GB", "x", "ZOOMDIFF_READ_GB='x' is not a number of gigabytes: set it to 4, for example."),
        (
            "STREAMLIT_SECRETS_FILES",
            "/none/x.toml",
            "The file /none/x.toml of STREAMLIT_SECRETS_FILES cannot be read: ",
        ),
    ],
)
def test_a_wrong_setting_is_one_sentence_before_the_start(monkeypatch, name, value, sentence):
    monkeypatch.setattr("streamlit.web.cli.main", lambda arguments, prog_name: pytest.fail("it started"))
    monkeypatch.setenv(name, value)
    with pytest.raises(OptionError, match=f"^{re.escape(sentence)}"):
        serve.serve()


@pytest.mark.parametrize("text, reason", [("[auth", "cannot be read: "), ("[other]\n", "has no part [auth]")])
def test_a_file_of_secrets_without_a_login_lets_nobody_in(monkeypatch, tmp_path, text, reason):
    monkeypatch.setattr("streamlit.web.cli.main", lambda arguments, prog_name: pytest.fail("it started"))
    (tmp_path / "secrets.toml").write_text(text)
    monkeypatch.setenv("STREAMLIT_SECRETS_FILES", str(tmp_path / "secrets.toml"))
    with pytest.raises(OptionError, match=re.escape(reason)):
        serve.serve()


def test_a_port_in_use_is_one_sentence(monkeypatch):
    monkeypatch.setattr("streamlit.web.cli.main", lambda arguments, prog_name: pytest.fail("it started"))
    with socket.create_server(("localhost", 0)) as server, pytest.raises(OptionError, match="Choose another --port"):
        serve.serve(port=server.getsockname()[1])


def test_a_package_without_the_app_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "zoomdiff.app", None)
    with pytest.raises(OptionError, match="The app is not installed"):
        serve.serve()
