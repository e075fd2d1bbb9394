# Every task of the project. `make` alone lists them; docs/architecture.md says how the parts fit together.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV  := .venv
BIN   := $(VENV)/bin
UV    := $(BIN)/uv --quiet
# Holds the path of the checkout that it was made in: a virtual environment does not survive a move.
READY := $(VENV)/.ready
UV_VERSION := 0.13.8

# The first interpreter of a supported version, rather one that can make a virtual environment; override with
# `make PYTHON=/path/to/python install`.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
PYTHON ?= $(shell for check in 'import ensurepip; $(SUPPORTED)' '$(SUPPORTED)'; do for p in python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c "$$check" 2>/dev/null && echo $$p && exit; done; done)

# The terraform to run. With terraform-offline nothing reaches Google: a copy of the configuration is planned and applied
# with made-up values, its state beside it in build/.
TERRAFORM ?= terraform
ENVIRONMENTS := $(patsubst terraform/envs/%.tfvars,%,$(wildcard terraform/envs/*.tfvars))
# One folder for each environment, so that none is planned against the state of another.
TF_HOME = $(CURDIR)/build/terraform/$(ENV)
ifeq ($(notdir $(TERRAFORM)),terraform-offline)
TF_ROOT = $(TF_HOME)/copy/terraform
TF_BACKEND = -reconfigure -backend-config=path=$(TF_HOME)/terraform.tfstate
else
TF_ROOT = terraform
TF_BACKEND = -reconfigure -backend-config=envs/$(ENV).gcs.tfbackend
endif
TF = TF_IN_AUTOMATION=1 TF_DATA_DIR=$(TF_HOME)/data $(TERRAFORM) -chdir=$(TF_ROOT)
TF_PLAN = $(TF) plan -input=false -var-file=envs/$(ENV).tfvars -out=$(TF_HOME)/plan
LANDFALL_HOME ?= .landfall
OUTPUTS = $(LANDFALL_HOME)/environments/$(ENV).json

.PHONY: help install java demo test model bench-spark bench-function bench-burst bench-control-room screenshots fuzz-function chaos check render lock clean
.PHONY: plan deploy outputs destroy iam-table tf-init
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) java ## Make .venv with the locked environment and the landfall command, and see that Java is there

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "landfall needs Python 3.11 or 3.12; found neither python3.12, python3.11 nor such a python3. Install one, or name it: make PYTHON=/path/to/python install" >&2; exit 1; }
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu install its venv package, such as python3-venv or python3.12-venv, and run make again" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(READY): requirements.txt pyproject.toml
	@test ! -e $(READY) || test "$$(cat $(READY))" = "$(CURDIR)" || rm -rf $(VENV)
	@$(MAKE) --no-print-directory $(BIN)/uv
	@echo "installing the locked environment into $(VENV) (about a minute)"
	@$(UV) pip sync --python $(BIN)/python requirements.txt
	@$(UV) pip install --python $(BIN)/python --no-deps --editable .
	@printf '%s' "$(CURDIR)" > $@

java:
	@./localcloud/ensure-java

demo: install ## Three sample files, and one of them again, all the way to trusted tables
	@PATH="$(CURDIR)/$(BIN):$$PATH" ./samples/demo

test: install ## All tests: units, SQL, emulators, and the whole chain end to end
	@$(BIN)/python -m pytest $(TEST_ARGS)

model: install ## The protocol under every order of every step: all cases, some minutes
	@LANDFALL_MODEL=all $(BIN)/python -m pytest tests/model -q -s

bench-spark: install ## The Spark job beside naive Spark, DuckDB and Polars: SIZE=1 (GB) SEED=1, PROFILE=1 for where its time goes
	@$(BIN)/python -m tests.bench --size $(or $(SIZE),1) --seed $(or $(SEED),1) $(if $(PROFILE),--profile)

bench-function: install ## Events a second of the function on one core, and how long one takes: RATE=300 SECONDS=20 THREADS=16
	@$(BIN)/python -m tests.bench.function --rate $(or $(RATE),300) --seconds $(or $(SECONDS),20) --threads $(or $(THREADS),16)

bench-control-room: install ## Each page's percentiles over a thousand batches: ASKS=60 CLIENTS=2 BATCHES=1000 FILES=10000, PROFILE=1 for processor time
	@$(BIN)/python -m tests.bench.control_room --asks $(or $(ASKS),60) --clients $(or $(CLIENTS),2) --batches $(or $(BATCHES),1000) --files $(or $(FILES),10000) $(if $(PROFILE),--profile)

screenshots: install ## The control room's pages as pictures for the docs, in light and dark
	@PYTHONPATH=functions/control_room $(BIN)/python -m tests.browser.screenshots

bench-burst: install ## Many files within a minute through a local cloud of its own: FILES=10000 DATASETS=5
	@$(BIN)/python -m tests.bench.burst --files $(or $(FILES),10000) --datasets $(or $(DATASETS),5)

fuzz-function: install ## Odd requests through the real function: N=1000000 SEED=1
	@$(BIN)/python -m tests.functions.fuzz --count $(or $(N),1000000) --seed $(or $(SEED),1)

chaos: install ## Seeded scenarios of drops and faults against an oracle, resumable: N=100 SEED=1 ENGINE=mixed
	@$(BIN)/python -m tests.chaos --count $(or $(N),100) --seed $(or $(SEED),1) --engine $(or $(ENGINE),mixed)

plan: tf-init ## What a deploy would change: ENV=dev, COMPOSER=off for the night without Composer
	@$(TF_PLAN) $(if $(filter off,$(COMPOSER)),-var=composer_enabled=false)

deploy: plan ## Make that so, after asking: ENV=dev, YES=1 to be asked nothing, COMPOSER=off as above
	@test -n "$(YES)" || { read -r -p "Apply this plan to $(ENV)? Only yes will do: " answer; test "$$answer" = yes; } || { echo "nothing was changed" >&2; exit 1; }
	@$(TF) apply -input=false $(TF_HOME)/plan
	@$(MAKE) --no-print-directory outputs

outputs: tf-init ## Write what `landfall --env` reads of an environment: ENV=dev
	@mkdir -p $(dir $(OUTPUTS))
	@$(TF) output -json > $(OUTPUTS).new || { rm -f $(OUTPUTS).new; exit 1; }
	@mv $(OUTPUTS).new $(OUTPUTS) && echo "the addresses of $(ENV) are in $(OUTPUTS)"

destroy: tf-init ## Delete an environment and its data, after asking for its name; not one with deletion_protection: ENV=dev
	@$(TF_PLAN) -destroy
	@! $(TF) show -json $(TF_HOME)/plan | grep -q '"deletion_protection":{"value":true}' || { echo "$(ENV) is protected: set deletion_protection = false in terraform/envs/$(ENV).tfvars, make deploy ENV=$(ENV), and destroy it then" >&2; exit 1; }
	@test -n "$(YES)" || { read -r -p "All of the above is deleted, with every file and row in it. The name of the environment: " answer; test "$$answer" = "$(ENV)"; } || { echo "nothing was changed" >&2; exit 1; }
	@$(TF) apply -input=false $(TF_HOME)/plan
	@rm -f $(OUTPUTS)

tf-init:
	@test -n "$(filter $(ENVIRONMENTS),$(ENV))" || { echo "expected ENV=<environment>, one of: $(sort $(ENVIRONMENTS)); found: $(or $(ENV),nothing)" >&2; exit 2; }
	@test -z "$(filter-out on off,$(COMPOSER))" || { echo "expected COMPOSER=on or COMPOSER=off; found: $(COMPOSER)" >&2; exit 2; }
	@command -v $(TERRAFORM) >/dev/null || { echo "expected terraform 1.9 or newer; found no $(TERRAFORM). Install it, or name it: make plan ENV=$(ENV) TERRAFORM=/path/to/terraform" >&2; exit 1; }
ifeq ($(notdir $(TERRAFORM)),terraform-offline)
	@rm -rf $(TF_HOME)/copy && mkdir -p $(TF_HOME)/copy
	@ln -s $(addprefix $(CURDIR)/,bigquery functions composer_dags spark_jobs) $(TF_HOME)/copy/
	@cp -r terraform $(TF_ROOT) && rm -rf $(TF_ROOT)/.terraform*
	@printf 'terraform {\n  backend "local" {}\n}\n' > $(TF_ROOT)/backend_override.tf
endif
	@mkdir -p $(TF_HOME) && $(TF) init -input=false $(TF_BACKEND) >$(TF_HOME)/init.log 2>&1 || { cat $(TF_HOME)/init.log >&2; exit 1; }

iam-table: install ## Write the table of grants in docs/security.md from the plan
	@$(BIN)/python -m tests.terraform.iam_table

check: $(READY) ## ruff, mypy (strict), the rendered files, and terraform fmt where there is a terraform
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@MYPYPATH=functions/trigger_ingest $(BIN)/mypy functions/trigger_ingest
	@MYPYPATH=functions/control_room $(BIN)/mypy functions/control_room
	@MYPYPATH=composer_dags $(BIN)/mypy composer_dags
	@MYPYPATH=spark_jobs $(BIN)/mypy spark_jobs
	@$(BIN)/mypy bigquery localcloud samples
	@$(BIN)/python -m bigquery.renderer --check
	@if command -v $(TERRAFORM) >/dev/null; then $(TERRAFORM) fmt -check -diff -recursive terraform; else echo "skipped: terraform fmt, for there is no $(TERRAFORM)"; fi

render: $(READY) ## Render the contracts and marts: table schemas, procedures, pipeline.json and catalog.json beside each
	@$(BIN)/python -m bigquery.renderer

lock: $(BIN)/uv ## Resolve requirements.in, and that of checkov, into locked files with hashes, for Python 3.11 and 3.12
	@$(UV) pip compile --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" \
		requirements.in --output-file requirements.txt
	@$(UV) pip compile --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" \
		tests/terraform/checkov-requirements.in --output-file tests/terraform/checkov-requirements.txt

clean: ## Stop this checkout's clouds and delete everything that make and landfall made in it
	@for home in "$$LANDFALL_HOME" build/demo/cloud build/bench/burst/cloud; do test ! -e "$$home/state.json" || LANDFALL_HOME="$$home" $(BIN)/landfall down; done
	@test ! -e .landfall || env -u LANDFALL_HOME $(BIN)/landfall reset --yes
	@rm -rf $(VENV) build .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
