# make app    set up and open the app          make lint   check style
# make test   set up and run all tests         make clean  remove the environment
# make map    build the map component (set-up does it too, and goes on where it fails)
PYTHON ?= python3
BIN := .venv/bin
MAP := app/static/zoommap.js

.PHONY: app test lint clean map

app: .venv/ready try-map
	$(BIN)/streamlit run app/main.py

test: .venv/ready try-map
	$(BIN)/pytest -n auto

lint: .venv/ready
	$(BIN)/ruff check .

map: .venv/ready $(MAP)

.PHONY: try-map
try-map: .venv/ready
	@$(MAKE) --no-print-directory --silent $(MAP) || true

$(MAP): $(wildcard app/frontend/src/*) app/frontend/package.json app/frontend/package-lock.json
	$(BIN)/python app/frontend/build.py

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ZoomDiff needs Python 3.11 or newer: run 'make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)'."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -r requirements.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

clean:
	rm -rf .venv app/static app/frontend/node_modules
