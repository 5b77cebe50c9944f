# make run          set up the live part where it is missing, then open the window (or run headless without a display)
# make setup-train  add what fine-tuning and training need
# make test         set up everything that is missing, then run all tests
# make test-live    set up the live part and its tests, then run the quick ones of those
# make lint         ruff, mypy, import rules
# make bench        every short benchmark, one after the other; benchmarks/README.md names those that take longer
# Options for the program go into ARGS:       make run ARGS="--source clip.mp4 --mirror"
# Another Python than the newest that is found:  make run PYTHON=python3.12

VENV := .venv
PY := $(VENV)/bin/python
# scripts/setup.sh takes these from the environment
export VENV
export PYTHON
# threads of the numeric libraries fight over few cores; one each is fastest here and reproducible
ENV := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# test files run beside each other, each of them in one process; ARGS=-n0 for one after the other, for a debugger
SIDE_BY_SIDE := -n auto --maxprocesses=4 --dist loadfile --max-worker-restart=0
# tests bring their own display, so that they need none and leave an existing one alone
DISPLAYED = $(shell command -v xvfb-run >/dev/null && echo 'xvfb-run -a -s "-screen 0 1600x1000x24"')

# those of the first table of benchmarks/README.md; the others take longer, need data, or write files of the repository
BENCHMARKS := hand_layer ik render overfit inference gpu sides finding live frame_cost responsiveness recording fallback loader realism

.PHONY: run test test-live lint bench setup setup-train setup-test setup-dev clean

run: setup
	@$(PY) main_v2.py $(ARGS)

test: setup-dev
	$(ENV) $(DISPLAYED) $(PY) -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-live: setup-test
	$(ENV) $(DISPLAYED) $(PY) -m pytest $(SIDE_BY_SIDE) -m "not slow" $(ARGS)

lint: setup-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

bench: setup-dev
	@missed=""; for name in $(BENCHMARKS); do echo "== $$name"; $(ENV) $(DISPLAYED) $(PY) -m benchmarks.$$name || missed="$$missed $$name"; done; \
		if [ -n "$$missed" ]; then echo "Failed or missed a target:$$missed" >&2; exit 1; fi

setup:
	@scripts/setup.sh run

setup-train setup-test setup-dev:
	@scripts/setup.sh $(@:setup-%=%)

clean:
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
