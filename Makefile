# make demo                       weather the project's own model and show it before and after: out/demo/index.html
# make turntable                  the same, and the model turning under a moving light: out/demo/turntable.webp
# make test                       lint, types, and every test that needs no other Blender and no window
# make test-blender VERSION=5.0.1 what needs Blender, in another version of bpy
# make test-window                real Blenders with a window: SUITES="trixie sid" (4.3 and 5.2); root and apt, once
# make extension                  the zips for Blender: dist/
# make bench                      the measured figures, one JSON line each

PYTHON ?= python3.11
VERSION ?= 5.0.1
SUITES ?= trixie sid
ASSET ?=
WORKERS ?= 2 # processes that test side by side; each may have a Blender and a backend of its own
PYTEST ?= # more arguments for pytest

venv := .venv
other := .venv-$(VERSION)
side_by_side = -n $(WORKERS) --dist loadfile
install = $(1)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo turntable test lint check test-blender test-window extension bench clean
.DELETE_ON_ERROR:

demo: $(venv)/.ready-demo
	$(venv)/bin/python -m sabi.addon.demo --out out/demo $(if $(ASSET),--asset "$(ASSET)")

turntable: $(venv)/.ready-demo
	$(venv)/bin/python -m sabi.addon.demo --out out/demo --turntable $(if $(ASSET),--asset "$(ASSET)")

test: lint check

lint: $(venv)/.ready-test
	$(venv)/bin/ruff check
	$(venv)/bin/ruff format --check
	$(venv)/bin/mypy

check: $(venv)/.ready-test
	$(venv)/bin/python -m pytest $(side_by_side) -m "not window and not bench" $(PYTEST)

test-blender: $(other)/.ready-test
	$(other)/bin/python -m pytest $(side_by_side) -m "blender and not bench" --ignore=tests/export_onnx $(PYTEST) # no torch there

test-window: $(venv)/.ready-test
	$(foreach suite,$(SUITES),SUITE=$(suite) tools/real-blender.sh setup &&) true
	SUITES="$(SUITES)" $(venv)/bin/python -m pytest -m window $(PYTEST)

extension: $(venv)/.ready-demo
	$(venv)/bin/python tools/build_extension.py

bench: $(venv)/.ready-test
	mkdir -p out/bench
	$(venv)/bin/python -m pytest -q -m bench --benchmark-json=out/bench/times.json $(PYTEST) >out/bench/log.txt
	$(venv)/bin/python tests/bench/figures.py out/bench/times.json

# Environments. A stamp is younger than pyproject.toml when the environment holds what it asks for.

$(venv)/.ready-demo: pyproject.toml setup.py
	PYTHON=$(PYTHON) tools/system-packages.sh
	test -x $(venv)/bin/python || $(PYTHON) -m venv $(venv)
	$(call install,$(venv)) --editable ".[blender]"
	touch $@

$(venv)/.ready-test: $(venv)/.ready-demo
	PYTHON=$(PYTHON) tools/system-packages.sh browser
	$(call install,$(venv)) --editable ".[blender,test,lint,train]"
	mkdir -p $(venv)/types && ln -sfn ../.. $(venv)/types/sabi
	touch $@

$(other)/.ready-test: pyproject.toml setup.py
	PYTHON=$(PYTHON) tools/system-packages.sh
	test -x $(other)/bin/python || $(PYTHON) -m venv $(other)
	$(call install,$(other)) "bpy==$(VERSION)" "numpy<2" --editable ".[test]"
	touch $@

clean:
	rm -rf build dist out
