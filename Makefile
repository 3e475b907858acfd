.PHONY: format check test test-comfy

format:
	ruff format .
	ruff check --fix .

check:
	ruff format --check .
	ruff check .
	mypy

test:
	python -m pytest

# Inside a real ComfyUI: COMFYUI_PATH is its checkout, COMFYUI_PYTHON the python it runs in.
test-comfy:
	python -m pytest -m comfy
