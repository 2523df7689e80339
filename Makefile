# `make demo` and `make test` each make their own environment in .venv; Python 3.11 or 3.12 and make are all they need.
# Another Python than the first that fits is chosen by `make PYTHON=/path/to/python3.12 test`, before .venv is there.

VENV := .venv
PYTHON ?=
RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check --editable
PROTOS := $(shell cd proto && find . -name '*.proto' | sort | sed 's|^\./||')
GENERATED := -name '*_pb2*.py' -o -name '*_pb2*.pyi'
BUF_VERSION := 1.75.0
BUF := build/buf-$(BUF_VERSION)/node_modules/.bin/buf

.PHONY: help demo test fuzz lint types proto proto-check proto-lint notebooks wheel-check bench bench-learning coverage coverage-attribution coverage-ope check clean

help:  ## say what there is to make
	@sed -n 's/^\([a-z-]*\):.*  ## /\1 - /p' Makefile

$(VENV)/.made:
	@python=$$(.ci/find-python "$(PYTHON)") && "$$python" -m venv --clear $(VENV)
	@touch $@

$(VENV)/.installed-demo: pyproject.toml $(VENV)/.made
	@echo "Installing armlift into $(VENV): about a minute, once."
	@$(INSTALL) .
	@touch $@

$(VENV)/.installed-test: pyproject.toml $(VENV)/.made
	@echo "Installing armlift and its tests' tools into $(VENV): about two minutes, once."
	@$(INSTALL) '.[dev]'
	@touch $(VENV)/.installed-demo $@

demo: $(VENV)/.installed-demo  ## run the demo into out/demo
	$(VENV)/bin/armlift demo --out out/demo

test: $(VENV)/.installed-test  ## run all tests
	$(RUN) -m pytest --numprocesses=2 --dist=worksteal --durations=10

fuzz: $(VENV)/.installed-test  ## ask and teach policies a million contexts of any kind: about ten minutes
	ARMLIFT_FUZZ=1000000 $(RUN) -m pytest --numprocesses=2 --durations=10 tests/engine/policies/test_fuzz_contexts.py

lint: $(VENV)/.installed-test  ## check style and form
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: $(VENV)/.installed-test  ## check types
	$(RUN) -m mypy

# The plugins of protoc are found on the path.
define generate
PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(RUN) -m grpc_tools.protoc --proto_path=proto \
	--python_out=$(1) --grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS)
endef

proto: $(VENV)/.installed-test  ## generate the Python modules of the contract
	$(call generate,proto)

proto-check: $(VENV)/.installed-test  ## fail where the generated modules are not those of the contract
	@rm -rf build/proto-check && mkdir -p build/proto-check/committed build/proto-check/generated
	@cd proto && find . $(GENERATED) | tar -cf - -T - | tar -xf - -C ../build/proto-check/committed
	$(call generate,build/proto-check/generated)
	@diff -ru build/proto-check/committed build/proto-check/generated \
		|| { echo "proto/ has drifted: run make proto and commit what it makes" >&2; exit 1; }

$(BUF):
	@command -v npm >/dev/null || { echo "buf comes by npm: install npm, then run make proto-lint" >&2; exit 1; }
	npm install --silent --no-fund --no-audit --prefix build/buf-$(BUF_VERSION) @bufbuild/buf@$(BUF_VERSION)

proto-lint: $(BUF)  ## lint the contract, and compare it with the last release
	.ci/proto-lint $(BUF)

notebooks: $(VENV)/.installed-test  ## run all notebooks
	.ci/notebooks $(VENV)/bin

wheel-check: $(VENV)/.installed-test  ## build the wheel and use it in an empty environment outside this folder
	.ci/wheel-check $(RUN)

bench: $(VENV)/.installed-test  ## run the benchmarks: about a quarter of an hour
	@for each in serve assign decide learner swap lift report_log ope attribution; do echo "== $$each"; $(RUN) benchmarks/$$each.py || exit 1; done

bench-learning: $(VENV)/.installed-test  ## regret beside VW and MABWiser, 20 seeds a world: the better part of an hour
	$(RUN) benchmarks/learn.py

coverage: $(VENV)/.installed-test  ## count how often a report's intervals hold the truth: the better part of an hour
	$(RUN) benchmarks/coverage.py

coverage-attribution: $(VENV)/.installed-test  ## the same of incremental effects, and by how much rules mislead: some 20 minutes
	$(RUN) benchmarks/attribution_coverage.py

coverage-ope: $(VENV)/.installed-test  ## the same of what another policy would have earned: the better part of an hour
	$(RUN) benchmarks/ope_coverage.py

check:  ## run all that a change must pass
	.ci/run

clean:  ## remove all that make made
	rm -rf $(VENV) build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
