# Every target goes through the environment that requirements/setup.sh makes; nothing has to be activated.

VENV   ?= .venv
OUTPUT ?= demo
DATA   ?=
ARGS   =
IMAGE  ?=
DOCKER ?= docker
export VENV OUTPUT DATA IMAGE DOCKER

SETUP = sh requirements/setup.sh
BIN   = $(VENV)/bin
PACKAGES = $(wildcard modules pipelines kubeflow cli)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit lint bench-local bench-growth image test-image docs kind-up kind-down lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup:  ## make the environment, nothing else
	@$(SETUP)

demo:  ## run the pipeline on DATA=digits|mnist|PHOTOS|TABLE: OUTPUT=demo ARGS='--set key=value'
	@$(SETUP)
	@"$(BIN)/tfx-mobile" run --output "$$OUTPUT" $${DATA:+--data "$$DATA"} $(ARGS)

test: lint  ## checks and all tests, real pipeline runs included
	@"$(BIN)/python" -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-unit:  ## the tests that take seconds
	@$(SETUP) --dev
	@"$(BIN)/python" -m pytest -q tests/unit $(ARGS)

lint:  ## ruff and mypy
	@$(SETUP) --dev
	@"$(BIN)/ruff" check --quiet .
	@"$(BIN)/ruff" format --check --quiet .
	@"$(BIN)/python" -m mypy --no-error-summary $(PACKAGES:%=-p %)

bench-local:  ## our pipeline beside upstream's MNIST example
	@$(SETUP) --dev
	@"$(BIN)/python" benchmarks/local.py $(ARGS)

bench-growth:  ## the whole run on 10,000, 100,000 and 1,000,000 examples
	@$(SETUP) --dev
	@"$(BIN)/python" benchmarks/growth.py $(ARGS)

image:  ## build the container image: IMAGE=REFERENCE DOCKER=CLIENT ARGS='--pull ...'
	@sh docker/build.sh $(ARGS)

test-image:  ## the tests of the image alone; they need root and Docker's daemon
	@$(SETUP) --dev
	@"$(BIN)/python" -m pytest -q tests/container $(ARGS)

docs:  ## write the generated parts of the documentation again
	@$(SETUP) --dev
	@"$(BIN)/python" -m tests.docs.pages

kind-up:  ## a cluster on this machine with Kubeflow Pipelines and the pipeline; Docker, kind, kubectl, Skaffold
	@sh kubeflow/manifests/kind.sh up

kind-down:  ## remove that cluster
	@sh kubeflow/manifests/kind.sh down

clean:  ## remove what `make demo` and the tools wrote, keep the environment
	rm -rf -- demo build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Locks keep their pins unless an input changed: `make lock ARGS=--upgrade` takes newer releases.
# A dev lock is its runtime lock plus dev.in, so `--dev` only ever adds.
COMPILE = "$(BIN)/uv" pip compile --quiet --generate-hashes --no-annotate --no-header \
          --excludes requirements/excludes.txt $(ARGS)
LEGACY  = --python-version 3.10 --python-platform x86_64-manylinux_2_28
CURRENT = --python-version 3.12 --python-platform x86_64-manylinux_2_39
R       = requirements

lock:  ## resolve requirements/*.in again
	@$(SETUP) --dev
	$(COMPILE) $(LEGACY)  $R/legacy.in  -o $R/legacy.txt
	$(COMPILE) $(CURRENT) $R/current.in -o $R/current.txt
	$(COMPILE) $(LEGACY)  $R/legacy.in  $R/dev.in -c $R/legacy.txt  -o $R/legacy-dev.txt
	$(COMPILE) $(CURRENT) $R/current.in $R/dev.in -c $R/current.txt -o $R/current-dev.txt
	$(COMPILE) $(LEGACY)  $R/build.in -o $R/build.txt
	$(COMPILE) --python-version 3.8 --python-platform x86_64-manylinux_2_28 $R/bootstrap.in -o $R/bootstrap.txt
