.PHONY: format check test test-comfy check-registry

# Checkouts of ComfyUI by version, each with the python it runs in: $(CORES)/0.33.0 and $(CORES)/0.33.0/.venv.
CORES ?= ../comfyui
.PRECIOUS: $(CORES)/%/main.py $(CORES)/%/.venv

format:
	ruff format .
	ruff check --fix .

check:
	ruff format --check .
	ruff check .
	mypy
	pack=$$(mktemp -d) && ln -s "$(CURDIR)" $$pack/mmgt_pack && cd $$pack && \
		mypy --config-file mmgt_pack/pyproject.toml --cache-dir "$(CURDIR)/.mypy_cache" -p mmgt_pack.nodes; code=$$?; rm -r $$pack; exit $$code # as ComfyUI imports it

test:
	python -m pytest

# Inside a real ComfyUI: COMFYUI_PATH is its checkout, COMFYUI_PYTHON the python it runs in, COMFYUI_ARGS its arguments.
test-comfy:
	python -m pytest -m comfy

# The same for a version: `make test-comfy-0.3.64`, `make test-comfy-0.33.0`. What is missing is installed.
test-comfy-%: $(CORES)/%/.venv
	COMFYUI_PATH=$(CORES)/$* COMFYUI_PYTHON=$(CORES)/$*/.venv/bin/python python -m pytest -m comfy

$(CORES)/%/main.py:
	git clone --depth 1 --branch v$* https://github.com/comfyanonymous/ComfyUI $(@D)

$(CORES)/%/.venv: | $(CORES)/%/main.py
	python -m venv $@
	$@/bin/pip install -r $(CORES)/$*/requirements.txt -r requirements.txt || { rm -r $@; false; }

# What the Comfy Registry refuses, and which names of core the pack uses that a core has not (fetches core's history).
check-registry:
	comfy --skip-prompt node validate
	comfy-import-guard check --comfy-dir $(COMFYUI_PATH) --pack comfyui-mmgt
	comfy-import-guard derive-requires .
