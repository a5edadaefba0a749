"""Start the app in Streamlit's server."""

import os
import socket
import tomllib
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from zoomdiff.errors import OptionError
from zoomdiff.files import target

ANY = ("0.0.0.0", "::")  # all addresses: no name by which to reach one
SECRETS = "STREAMLIT_SECRETS_FILES"  # Streamlit's setting: where the login is
LOCAL = ("localhost", "127.0.0.1", "::1")
APP_NEEDS = ("streamlit", "pydeck", "plotly", "prometheus_client", "starlette")  # the extra [app]


def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    names: Sequence[str] = (),
    browser: bool = True,
    public: bool = False,
) -> None:
    """Serve the app until it is interrupted.

    Parameters
    ----------
    host
        Address to listen on; by default the one of the app's settings, localhost.
    port
        Port to listen on; by default 8501, or the next free one.
    names
        Host names by which browsers reach the app, in addition to this computer's own ("*.example.com" for all below
        one). A page under any other name gets no session, so that no site can reach into a local network.
    browser
        Whether to open the page in a browser.
    public
        Whether strangers may use it: maps are uploaded, neither read by path nor downloaded, and regions and runs are
        small (app/limits.py).

    Raises
    ------
    OptionError
        A package that only the app needs is not installed, a setting of the environment is wrong, or the port is in
        use.
    """
    for package in APP_NEEDS:
        if find_spec(package) is None:
            raise OptionError(f"The app needs {package}: pip install 'zoomdiff[app]'.")
    script = _script()
    if public:
        os.environ["ZOOMDIFF_PUBLIC"] = "1"
    _check_settings()
    if port is not None:
        _check_free(host or "localhost", port)
    from streamlit.web.cli import main as streamlit

    options = {"address": host, "port": port, "headless": None if browser else "true"}
    flags = [f"--server.{name}={value}" for name, value in options.items() if value is not None]
    known = [*names, *([host] if host and host not in ANY else [])]
    flags += [f"--server.allowedHosts={name}" for name in (*known, *LOCAL) if known]
    streamlit(["run", str(script), *flags], prog_name="zoomdiff app")


def _check_settings() -> None:
    """Raise OptionError for a setting that users would stumble over later, or that would let everybody in."""
    from zoomdiff.context import cache
    from zoomdiff.limits import memory_limit

    import_module("zoomdiff.app.limits").Limits.of_server()  # the app is outside what is type-checked
    memory_limit()
    target(cache.root(), "The cache", is_folder=True)
    for name in os.environ.get(SECRETS, "").split():
        try:
            has_login = "auth" in tomllib.loads(Path(name).read_text())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise OptionError(f"The file {name} of {SECRETS} cannot be read: {reason}.") from error
        if not has_login:
            raise OptionError(f"The file {name} of {SECRETS} has no part [auth], so nobody can log in: see deploy.md.")


def _check_free(host: str, port: int) -> None:
    """Raise OptionError where another program listens on the port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OptionError(
                f"The app cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
            ) from error


def _script() -> Path:
    """What Streamlit runs: in the installed package, or in the folder app/ of a checkout."""
    spec = find_spec("zoomdiff.app")
    if spec is None or spec.origin is None:
        raise OptionError("The app is not installed: run 'pip install .' in the folder of ZoomDiff, or 'make app'.")
    return Path(spec.origin).with_name("asgi.py")
