# The commands of this project; .ci/run uses the same. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Two builds of one package at once would only wait for each other.
.NOTPARALLEL:

ARGS ?=
PYTEST_ARGS ?=
SECONDS ?= 60
PUBLICATIONS ?= 1000000

VENV := .build/venv
SOURCES := Package.swift Sources Tests Benchmarks
RACY := UVTransportTests|WebSocketServerTests|RedisBrokerTests|RealtimeAppTests|LoadGeneratorTests

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: serve
serve: build ## install what is missing, build, and serve on http://127.0.0.1:8080 (ARGS='--port 9000')
	@exec env -u APUS_STRICT .build/release/apus serve $(ARGS)

.PHONY: test
test: deps $(VENV)/installed ## install what is missing, then run all tests
	swift test
	APUS_BIN=.build/debug/apus Tests/Integration/run $(PYTEST_ARGS)

.PHONY: integration
integration: build deps $(VENV)/installed ## the tests against the real server, its release build (PYTEST_ARGS='-k chat')
	Tests/Integration/run $(PYTEST_ARGS)

.PHONY: soak
soak: build deps $(VENV)/installed ## a million publications to clients that come and go, some minutes (PUBLICATIONS=N)
	APUS_TESTS_PUBLICATIONS=$(PUBLICATIONS) Tests/Integration/run -k topics_churn -s

.PHONY: tsan
tsan: deps-build ## the tests of what runs on several threads, under ThreadSanitizer
	@.ci/install redis
	TSAN_OPTIONS="suppressions=$(CURDIR)/Tests/ThreadSanitizer.supp" \
	swift test --sanitize=thread --scratch-path .build-tsan --filter '$(RACY)' \
		--experimental-maximum-parallelization-width 4

.PHONY: test-zlib
test-zlib: deps-build ## without ISA-L: the protocol's tests, and a build of the library
	swift test --package-path Tests/WithoutISAL --scratch-path .build-zlib \
		--disable-build-manifest-caching
	swift build --disable-default-traits --target WebSocketServer --scratch-path .build-zlib-server

.PHONY: conformance
conformance: build deps ## the Autobahn suite against the server, some 12 minutes (ARGS='--cases 7.*': one run)
ifdef ARGS
	Tests/Conformance/run $(ARGS)
else
	Tests/Conformance/suite
endif

.PHONY: attack
attack: build deps ## attacks beside honest clients, as a table, some 80 s (ARGS='--check', --list, or names)
	Tests/Attack/run $(ARGS)

.PHONY: fuzz
fuzz: deps-build ## every fuzz target, SECONDS=60 each, one a core
	Tests/Fuzzing/run $(SECONDS)

.PHONY: bench
bench: build ## compressed against plain, with charts in Benchmarks/results, some 4 minutes
	@.ci/install bench
	.build/release/apus bench compare --svg Benchmarks/results $(ARGS)

.PHONY: bench-floor
bench-floor: build ## the server beside the least that C programs can do (ARGS go to Benchmarks/run)
	@.ci/install bench
	Benchmarks/run $(ARGS)

.PHONY: bench-peers
bench-peers: build ## the server beside peers of Debian and PyPI, as a table (ARGS=--quick)
	Benchmarks/peers/install
	Benchmarks/peers/run $(ARGS)

.PHONY: bench-app
bench-app: build ## the application on FastAPI and on Apus, as a ratio (ARGS=--quick)
	Benchmarks/peers/install
	Benchmarks/peers/app $(ARGS)

.PHONY: instructions
instructions: deps-build ## instructions a message on the echo path, against thresholds (valgrind)
	@.ci/install instructions
	Benchmarks/instructions

.PHONY: micro
micro: deps-build ## instructions of the small parts, against thresholds (ARGS=--record writes them)
	@.ci/install instructions
	Benchmarks/micro $(ARGS)

.PHONY: lint
lint: ## check the format of all Swift sources
	swift format lint --strict --parallel --recursive $(SOURCES)

.PHONY: format
format: ## format all Swift sources in place
	swift format --in-place --parallel --recursive $(SOURCES)

.PHONY: build
build: deps-build ## build the server in release mode
	swift build -c release --product apus

.PHONY: deps
deps: ## install with apt what building and testing need and this machine has not
	@.ci/install build test

.PHONY: deps-build
deps-build:
	@.ci/install build

.PHONY: clean
clean: ## remove everything that was built
	rm -rf .build .build-* Benchmarks/.build Benchmarks/Micro/.build

$(VENV)/installed: Tests/Integration/requirements.txt | deps
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@
