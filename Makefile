# `make demo` and `make test` do all their own set-up: a virtual environment in .venv with the package and its tools.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-native lint bench fuzz sanitize clean

demo: $(READY)
	$(BIN)/python -m jacinth.tools.demo

# What concerns memory, threads, exceptions and calls of machine code is tested on both engines. Where the native one does not work
# these tests run on the portable one twice.
ON_BOTH := tests/exceptions tests/guest tests/pager tests/restricted tests/seeds tests/tasks
test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2
	JACINTH_ENGINE=native $(BIN)/python -m pytest -q -n 2 $(ON_BOTH)

# Everything on the native engine, but for what only the portable one can do.
test-native: $(READY)
	JACINTH_ENGINE=native $(BIN)/python -m pytest -q -n 2

bench: $(READY)
	$(BIN)/python -m compileall -q jacinth
	$(BIN)/python -m bench $(ONLY)

# For a night: every core with episodes of its own. `make fuzz SEED=7` for other ones.
SEED ?= 0
fuzz: $(READY)
	$(BIN)/python -m jacinth fuzz --calls 5000000 --seed $(SEED) --jobs $$(nproc)

# The C parts under AddressSanitizer and UndefinedBehaviorSanitizer, where the compiler has them. Then they are built as before.
CHECKS := address,undefined
sanitize: $(READY)
	@$(CC) -fsanitize=$(CHECKS) -xc -shared -o /dev/null /dev/null 2>/dev/null || \
		{ echo "the compiler $(CC) has no -fsanitize=$(CHECKS)" >&2; exit 1; }
	CFLAGS="-g -fno-omit-frame-pointer -fsanitize=$(CHECKS) -fno-sanitize-recover=undefined" \
		$(BIN)/python setup.py -q build_ext --inplace --force
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
		$(BIN)/python -m pytest -q tests/machine tests/native; status=$$?; \
		$(BIN)/python setup.py -q build_ext --inplace --force; exit $$status

# The lock file names what development was tested with; the package itself has lower bounds only.
$(READY): pyproject.toml setup.py requirements-dev.txt $(wildcard jacinth/machine/*/*.[chS])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Jacinth needs Python 3.11 or newer: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -m compileall -q jacinth  # where the interpreter is told to write none, starting would take twice as long
	@touch $(READY)

clean:
	rm -rf $(VENV) build dist *.egg-info
