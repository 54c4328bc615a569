# `make demo` and `make test` set everything up by themselves, in .venv; nothing is installed system-wide.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check lint docs docs-check helplines gpu clean

demo: $(READY)
	$(BIN)/counsel demo --out demo

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: lint docs-check test
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python tools/cli_docs.py --write
	$(BIN)/python tools/protocol_page.py --write

docs-check: $(READY)
	$(BIN)/python tools/cli_docs.py --check

helplines: $(READY)
	$(BIN)/python tools/helplines.py

gpu: $(READY)
	$(BIN)/python -m pytest -m gpu

clean:
	rm -rf $(VENV) demo dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# `--without-pip` and `pip --python` need neither ensurepip nor python3-venv's wheels: Python and pip are enough.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Counsel needs Python 3.11 or newer")'
	@echo "Setting up .venv: once, a few minutes"
	test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install -q -c constraints.txt "torch>=2.11,<2.14"
	$(PYTHON) -m pip --python $(BIN)/python install -q -c constraints.txt -e . $(shell $(PYTHON) tools/dev_requirements.py)
	touch $(READY)
