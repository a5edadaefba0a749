"""Start the app in Streamlit's server."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from zoomdiff.errors import OptionError

ANY = ("0.0.0.0", "::")  # all addresses: no name by which to reach one
LOCAL = ("localhost", "127.0.0.1", "::1")
APP_NEEDS = ("streamlit", "pydeck", "plotly", "prometheus_client")  # the extra [app]


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
        If a package that only the app needs is not installed.
    """
    for package in APP_NEEDS:
        if find_spec(package) is None:
            raise OptionError(f"The app needs {package}: pip install 'zoomdiff[app]'.")
    from streamlit.web.cli import main as streamlit

    options = {"address": host, "port": port, "headless": None if browser else "true"}
    flags = [f"--server.{name}={value}" for name, value in options.items() if value is not None]
    known = [*names, *([host] if host and host not in ANY else [])]
    flags += [f"--server.allowedHosts={name}" for name in (*known, *LOCAL) if known]
    if public:
        os.environ["ZOOMDIFF_PUBLIC"] = "1"
    streamlit(["run", str(_script()), *flags], prog_name="zoomdiff app")


def _script() -> Path:
    """What Streamlit runs: in the installed package, or in the folder app/ of a checkout."""
    spec = find_spec("zoomdiff.app")
    if spec is None or spec.origin is None:
        raise OptionError("The app is not installed: run 'pip install .' in the folder of ZoomDiff, or 'make app'.")
    return Path(spec.origin).with_name("asgi.py")
