# make run    set up what is missing, then open the window (or run headless where there is no display)
# make test   set up what is missing, then run all tests
# make lint   ruff, mypy, import rules
# make bench  every short benchmark, one after the other; benchmarks/README.md names those that take longer
# Options for the program go into ARGS:  make run ARGS="--source clip.mp4 --mirror"

PYTHON := .venv/bin/python
# threads of the numeric libraries fight over few cores; one each is fastest here and reproducible
ENV := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# tests bring their own display, so that they need none and leave an existing one alone
DISPLAYED = $(shell command -v xvfb-run >/dev/null && echo 'xvfb-run -a -s "-screen 0 1600x1000x24"')

LONG_BENCHMARKS := labels landmark_correction landmark_offsets landmark_transfer live_while_training own_hand own_hand_clip review soak

.PHONY: run test lint bench setup setup-dev clean

run: setup
	@$(PYTHON) main_v2.py $(ARGS)

test: setup-dev
	$(ENV) $(DISPLAYED) $(PYTHON) -m pytest $(ARGS)

lint: setup-dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports

bench: setup-dev
	@for name in $(filter-out demo_window $(LONG_BENCHMARKS),$(patsubst benchmarks/%.py,%,$(wildcard benchmarks/[a-z]*.py))); do echo "== $$name"; $(ENV) $(DISPLAYED) $(PYTHON) -m benchmarks.$$name || exit 1; done

setup:
	@scripts/setup.sh run

setup-dev:
	@scripts/setup.sh dev

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
