# Everything runs from .venv, which the first call makes and later calls reuse.
#   make demo PYTHON=/path/to/python3.11     another interpreter
#   make demo TORCH_INDEX=URL                another PyTorch build (see the README's GPU table)
#   make test WORKERS=4                      more processes; a file of tests stays in one of them
VENV ?= .venv
PY := $(VENV)/bin/python
WORKERS ?= 2
export VENV PYTHON TORCH_INDEX FORCE_CUDA

.DEFAULT_GOAL := help
.PHONY: help install predict demo test browser lint wheel

help:  ## show these lines
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

install:  ## create .venv and install the pinned stack (later calls: nothing to do)
	@bash tools/install.sh

predict: install  ## draw what published weights find (IMAGES=folder for yours, WEIGHTS=file)
	$(PY) tools/predict.py $(IMAGES) $(if $(WEIGHTS),--weights $(WEIGHTS))

demo: install  ## make synthetic data, train LMSF-A-n at reduced size, evaluate, draw
	$(PY) tools/demo.py

test: install browser  ## run the tests (ARGS='-k name' for some)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

browser:
	@bash tools/install_browser.sh

lint: install  ## run the linter
	$(PY) -m ruff check .

wheel: install  ## build the wheel into dist/
	rm -rf build/lib build/bdist*
	$(PY) -m pip wheel . --no-deps --no-build-isolation --wheel-dir dist
