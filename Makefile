# Everything sets itself up: `make demo` and `make test` need Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV := .venv
BARE := .venv-bare
DEVICE := .venv-device
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check install
DEMO := artifacts/runs/demo
DATA ?= mnist
JOBS ?= 1
SOURCES := pyproject.toml $(shell find runtime common trainer export cli -name '*.py' -o -name '*.onnx')

.PHONY: help install demo lint docs test test-isa test-arm64 test-c soak release clean
help:  ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*##/\1\t/p' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## the virtual environment, with everything

demo: $(VENV)/.installed  ## train, export, evaluate and predict on the embedded sample
	$(BIN)/digits-edge train --data sample --out $(DEMO) --force
	$(BIN)/digits-edge export $(DEMO) --int8
	$(BIN)/digits-edge evaluate $(DEMO) --data sample
	$(BIN)/python examples/held_back_digits.py $(DEMO)
	$(BIN)/digits-edge predict $(DEMO)/held-back --bundle $(DEMO)/bundle
	@echo "the bundle:   $(DEMO)/bundle (its report: report.html)"
	@echo "the pictures: $(DEMO)/plots and $(DEMO)/held-back"

lint: $(VENV)/.installed  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed  ## the documentation as a site, site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

test: lint docs $(BARE)/.installed $(DEVICE)/.installed  ## lint, types, documentation and tests
	DIGITS_EDGE_BARE_PYTHON=$(BARE)/bin/python DIGITS_EDGE_DEVICE_PYTHON=$(DEVICE)/bin/python $(BIN)/pytest -n auto --dist worksteal
	$(BIN)/pytest -m timing

test-isa: $(VENV)/.installed  ## the same answers on a CPU without VNNI; needs qemu-x86_64 (Debian: qemu-user)
	$(BIN)/pytest -m isa

test-arm64: $(VENV)/.installed  ## the same answers on 64-bit Arm, and of the C on 32-bit Arm; needs qemu (Debian: qemu-user), apt, network
	$(BIN)/pytest -m arm64

test-c: $(VENV)/.installed  ## the C of an export on other machines; needs cross compilers and qemu (see CONTRIBUTING)
	$(BIN)/pytest -m cross

soak: $(VENV)/.installed  ## what takes too long for every day: killed exports, other versions, each extra alone, damaged files
	$(BIN)/pytest -m soak

release: $(VENV)/.installed  ## train the released models (hours; goes on where it was stopped); DATA=IDX folder JOBS=2
	$(BIN)/python benchmarks/release.py --data $(DATA) --jobs $(JOBS)

clean:  ## remove the virtual environments and the site
	rm -rf $(VENV) $(BARE) $(DEVICE) site

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) --editable ".[dev]"
	touch $@

# What a device gets, to test that nothing else is needed: the wheel with its two dependencies, and that with [image,cli].
$(DEVICE)/.installed: EXTRAS := [image,cli]
$(BARE)/.installed $(DEVICE)/.installed: $(SOURCES)
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(PIP) --force-reinstall --no-deps .
	$(@D)/bin/python $(PIP) ".$(EXTRAS)"
	touch $@
