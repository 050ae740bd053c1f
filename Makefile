# Each target sets up what it needs: a virtual environment in .venv with the pinned versions of
# constraints.txt, and the libraries for rendering without a screen. These libraries alone are
# installed outside this folder, and only where apt is allowed to.

PYTHON ?= python3
# PyPI's torch brings 3 GB of CUDA on Linux, which no training here uses. pip prefers a build for the
# CPU of an index that is named here, and takes all else, and torch where this has none, from its own:
#   make install TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
KILTED := .venv-kilted
JOBS ?= 2

export MUJOCO_GL ?= egl
# No dependency may send telemetry.
export ORT_DISABLE_TELEMETRY := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The tests start hundreds of processes, which would each compile all modules again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test test-slow test-ros-kilted ready compile-vqf compile-legged compile-wheeled check lint types \
	mypy pyright format hooks docs bench bench-quick wheel train-humanoid train-car clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or later is needed; name one with 'make PYTHON=python3.11'" >&2; exit 2; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python's venv module is missing; on Debian: sudo apt-get install python3-venv" >&2; exit 2; }

$(VENV)/.installed: pyproject.toml constraints.txt $(BIN)/python
	@echo "Installing the pinned dependencies into $(VENV) (once; some minutes)"
	@$(BIN)/pip install -qq --no-compile --editable '.[dev]' --constraint constraints.txt \
		$(if $(TORCH_INDEX),--extra-index-url '$(TORCH_INDEX)')
	@touch $@

# Tests whether a frame can be rendered without a screen; if not, Mesa's EGL is installed.
EGL_WORKS := $(BIN)/python -c 'import mujoco; mujoco.GLContext(8, 8)' >/dev/null 2>&1
EGL_PACKAGES := libegl1 libgl1 libgl1-mesa-dri libopengl0

$(VENV)/.egl: $(VENV)/.installed
	@$(EGL_WORKS) || if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "Installing $(EGL_PACKAGES) for rendering without a screen"; \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends $(EGL_PACKAGES); fi
	@$(EGL_WORKS) || { echo "Rendering without a screen needs EGL; on Debian or Ubuntu:" \
		"sudo apt-get install $(EGL_PACKAGES)" >&2; exit 2; }
	@touch $@

install: $(VENV)/.installed $(VENV)/.egl ## Set everything up (other targets do so by themselves)

demo: install ## Drive both robots with the edge runtime, then watch a short training improve
	@$(BIN)/sim2edge demo

test: install ready ## Lint, types, import rule and the fast tests
	@$(BIN)/pytest -q -n $(JOBS) --dist worksteal -m "not slow"

test-slow: install ready ## Lint, types, import rule and all tests
	@$(BIN)/pytest -q -n $(JOBS) --dist worksteal

# Workers that start with an empty cache would compile the same estimator at the same time.
ESTIMATORS := compile-vqf compile-legged compile-wheeled

$(ESTIMATORS): compile-%: $(VENV)/.installed
	@$(BIN)/python -m tests.compile_estimator $*

ready: install
	@$(MAKE) --no-print-directory --output-sync --jobs $(JOBS) lint mypy pyright $(ESTIMATORS)

# The extra `ros` is Jazzy, and one environment can hold one ROS distribution only.
$(KILTED)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -m venv $(KILTED)
	@grep -v '^ros-' constraints.txt > $(KILTED)/constraints.txt
	@$(KILTED)/bin/pip install -qq --editable '.[sim,fusion,lidar]' hypothesis mcap onnx pytest \
		pytest-xdist rosbags zstandard ros-kilted-common-interfaces ros-kilted-rclpy \
		ros-kilted-rmw-fastrtps-cpp --constraint $(KILTED)/constraints.txt
	@touch $@

test-ros-kilted: $(KILTED)/.installed ## The tests of the ROS package, with ROS 2 Kilted from PyPI
	@$(KILTED)/bin/pytest -q -n $(JOBS) -m "not slow" tests/ros

check: install ## Lint and types
	@$(MAKE) --no-print-directory --output-sync --jobs $(JOBS) lint mypy pyright

lint: $(VENV)/.installed ## Style: ruff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: mypy pyright ## Types: mypy and pyright

mypy: $(VENV)/.installed
	@$(BIN)/mypy

pyright: $(VENV)/.installed
	@$(BIN)/pyright

format: $(VENV)/.installed ## Format the code with ruff
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

hooks: $(VENV)/.installed ## Check style, types and the title at each commit
	@$(BIN)/pre-commit install

# Without a network; a warning is an error. Python 3.11 or later.
docs: $(VENV)/.installed ## Build the documentation into out/docs, with the Python reference
	@$(BIN)/sphinx-build --quiet --fail-on-warning --jobs $(JOBS) docs out/docs
	@echo "Open out/docs/index.html"

# A missed target fails at the end, after all figures are printed.
bench: install ## Measure every figure beside its peer into docs/figures.md (trains both robots: an hour)
	@$(BIN)/python benchmarks/all.py --page docs/figures.md

bench-quick: install ## Measure faster and less exactly, and only print the figures
	@$(BIN)/python benchmarks/all.py --quick

train-humanoid: install ## Train the humanoid from scratch
	@$(BIN)/sim2edge train HumanoidVelocity

train-car: install ## Train the car from scratch
	@$(BIN)/sim2edge train VehicleTrack

wheel: $(VENV)/.installed ## Build the wheel into dist/
	@$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove everything that these targets have made, and .venv
	rm -rf $(VENV) $(KILTED) build dist out docs/api *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
