# hexaqua: `make demo` and `make test` are all that a newcomer needs.
# Works with GNU make 3.81 (macOS) and later.

.DEFAULT_GOAL := help
.PHONY: help demo test setup setup-test build lint fmt-check validate bench

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
HEXAQUA := $(TARGET_DIR)/release/hexaqua
# A fresh rustup leaves cargo here and not yet on the PATH of the open shell.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

demo: build ## Build, simulate one Zn2+ in water and compare its shell with the literature
	@HEXAQUA='$(HEXAQUA)' scripts/demo.sh inputs/zn-hydration.toml $(ARGS)

test: setup-test ## Build and run every test (GPU passes on a software Vulkan driver if there is no GPU)
	$(CARGO) test --release --locked $(ARGS)

setup: ## Check what the build needs and install what is missing where that is allowed
	@scripts/setup.sh build

setup-test:
	@scripts/setup.sh test

build: setup ## Build the program: target/release/hexaqua
	$(CARGO) build --release --locked

lint: fmt-check ## Check formatting, clippy and the shell scripts
	$(CARGO) clippy --release --all-targets --locked -- -D warnings
	@if command -v shellcheck >/dev/null 2>&1; then shellcheck scripts/*.sh .ci/run; \
	else echo 'shellcheck is not installed: the shell scripts were not checked'; fi

fmt-check:
	$(CARGO) fmt --check

validate: build ## Run the validation cases and print value, reference and verdict
	$(HEXAQUA) validate $(ARGS)

bench: build ## Time steps of water and of 1 mol/L ZnCl2
	$(HEXAQUA) bench $(ARGS)

help: ## Show this list
	@echo 'Usage: make TARGET [ARGS="further arguments"]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile
