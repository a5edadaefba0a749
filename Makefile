# make app    set up and open the app          make check  lint, types and imports
# make test   set up and run all tests         make docs   build the docs site into site/
# make wheel  build the wheel into dist/       make clean  remove all that was built
# make map    build the map component (set-up does it too, and continues if that fails)
PYTHON ?= python3
BIN := .venv/bin
MAP := app/static/zoommap.js

.PHONY: app test check lint types imports docs wheel map try-map clean

app: .venv/ready try-map
	$(BIN)/zoomdiff app

test: .venv/ready try-map
	$(BIN)/pytest -n auto

check: lint types imports

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

imports: .venv/ready
	$(BIN)/lint-imports

docs: .venv/ready
	$(BIN)/mkdocs build --strict

# build/ keeps files that the sources no longer have, and setuptools would pack them.
wheel: .venv/ready $(MAP)
	rm -rf build
	$(BIN)/python -m build --wheel --no-isolation --outdir dist

map: .venv/ready $(MAP)

try-map: .venv/ready
	@$(MAKE) --no-print-directory --silent $(MAP) || true

$(MAP): $(wildcard app/frontend/src/*) app/frontend/build.py app/frontend/package.json app/frontend/package-lock.json
	$(BIN)/python app/frontend/build.py

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ZoomDiff needs Python 3.11 or newer: run 'make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)'."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -r requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf .venv app/static app/frontend/node_modules build dist site *.egg-info
