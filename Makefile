# make app    set up and open the app          make lint   check style
# make test   set up and run all tests         make clean  remove the environment
PYTHON ?= python3
BIN := .venv/bin

.PHONY: app test lint clean

app: .venv/ready
	$(BIN)/streamlit run app/main.py

test: .venv/ready
	$(BIN)/pytest

lint: .venv/ready
	$(BIN)/ruff check .

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ZoomDiff needs Python 3.11 or newer: run 'make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)'."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -r requirements.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

clean:
	rm -rf .venv
