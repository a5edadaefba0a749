# make app    set up and open the app          make check  lint, types and imports
# make test   set up and run all tests         make docs   build the docs site into site/
# make wheel  build the wheel into dist/       make clean  remove all that was built
# make map    build the map component (set-up does it too, and continues if that fails)
# make lock   pin what the container installs, with hashes     make sbom  list it, with its licences, in dist/
# make audit  look for known vulnerabilities in it (needs pypi.org)
PYTHON ?= python3
BIN := .venv/bin
MAP := app/static/zoommap.js

LOCK := deploy/requirements.lock

.PHONY: app test check lint types imports docs wheel map try-map lock sbom audit clean

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

lock: .venv/ready
	$(BIN)/pip install --quiet uv==0.13.9
	$(BIN)/uv pip compile pyproject.toml --extra app --extra login --constraint requirements.txt --output-file $(LOCK) --quiet \
		--python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-emit-package torch \
		--no-annotate --custom-compile-command "make lock"

sbom: .venv/ready
	$(BIN)/pip install --quiet cyclonedx-bom==7.5.0 pip-licenses==5.5.5
	mkdir -p dist
	$(BIN)/cyclonedx-py requirements $(LOCK) --pyproject pyproject.toml --output-file dist/sbom.json
	$(BIN)/pip-licenses --packages $$(sed -n 's/^\([a-z0-9.-]*\)==.*/\1/p' $(LOCK)) torch \
		--format markdown --with-urls --output-file dist/licences.md

audit: .venv/ready
	$(BIN)/pip install --quiet pip-audit==2.10.1
	$(BIN)/pip-audit --strict --requirement $(LOCK) --require-hashes --disable-pip

clean:
	rm -rf .venv app/static app/frontend/node_modules build dist site *.egg-info
