# Chorale's commands. `make help` lists them.

SWIFT ?= swift
JOBS ?= 2
# One build serves all tests, the simulator and the interop peers: optimised, so that thousands of
# simulated nodes are quick, with internals visible to tests and assertions on.
TEST_BUILD = .build-test
TEST_FLAGS = -c release -Xswiftc -enable-testing -Xswiftc -assert-config -Xswiftc Debug --scratch-path $(TEST_BUILD) -j $(JOBS)

# For `chorale --version`: nothing when this is no git checkout, or one of another user.
COMMIT = $(shell git describe --always --exclude '*' --abbrev=12 --dirty=+ 2>/dev/null)

.PHONY: help setup build testnet test unit sim fuzz interop bench format lint clean completions

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## install missing Debian packages
	@scripts/setup --with-tests

build: ## the release binaries, in .build/release
	@scripts/setup
	@printf '\033[1m==>\033[0m building chorale (release)\n'
	@CHORALE_COMMIT='$(COMMIT)' $(SWIFT) build -c release -j $(JOBS) --product chorale

testnet: build ## a local network of real processes, shown live, ending with a verdict
	@testnet/run $(ARGS)

test: setup ## everything that a change must pass
	@scripts/test

unit: setup ## the Swift tests alone
	@$(SWIFT) test $(TEST_FLAGS)

sim: ## one simulation: make sim ARGS="--scenario mesh --nodes 200 --seed 1"
	@$(SWIFT) run -c release -j $(JOBS) chorale-sim run $(ARGS)

fuzz: setup ## each fuzz target for a while: make fuzz SECONDS=60
	@Fuzz/run $(or $(SECONDS),10)

interop: setup ## the table of foreign peers
	@Interop/run

bench: setup ## the numbers of docs/benchmarks.md, as a table and as JSON
	@Benchmarks/run $(ARGS)

format: ## rewrite sources in the house format
	@$(SWIFT) format -i -r Package.swift Sources Tests Fuzz Benchmarks/Sources

lint: ## check the house format
	@$(SWIFT) format lint -r --strict Package.swift Sources Tests Fuzz

clean: ## remove what was built
	@rm -rf .build .build-* Interop/.venv Interop/.data testnet/.data Benchmarks/.data Benchmarks/.build
