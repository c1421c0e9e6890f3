# The commands of this project, which .ci/run uses, too. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Two builds of one package would only wait for each other.
.NOTPARALLEL:

ARGS ?=
PYTEST_ARGS ?=
# beside or alone: only the pytest tests that may share the machine, or only the others.
PART ?=
SECONDS ?= 60
PUBLICATIONS ?= 1000000

VENV := .build/venv
SOURCES := Package.swift Sources Tests Benchmarks Examples
RACY := UVTransportTests,WebSocketServerTests,WebSocketTestingTests,RedisBrokerTests,RealtimeAppTests,LoadGeneratorTests
# Builds and runs only the tests that APUS_TESTS names. A kept build manifest would not notice it.
TEST_CHOSEN := swift test --test-product apusPackageTests --disable-build-manifest-caching

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: serve
serve: build ## build, and serve on http://127.0.0.1:8080 (ARGS='--port 9000')
	@exec env -u APUS_STRICT .build/release/apus serve $(ARGS)

.PHONY: test
test: deps commit $(VENV)/installed ## run all Swift and pytest tests with a debug build (PYTEST_ARGS='-k chat')
	swift test --experimental-maximum-parallelization-width 16
	APUS_BIN=.build/debug/apus Tests/Integration/run $(PART) $(PYTEST_ARGS)

.PHONY: integration
integration: build deps $(VENV)/installed ## run the pytest tests with a release build (PYTEST_ARGS='-k chat')
	Tests/Integration/run $(PYTEST_ARGS)

.PHONY: examples
examples: deps commit $(VENV)/installed ## test the example with Hummingbird, too; its first build takes minutes
	APUS_DEVELOPMENT=hummingbird swift build --disable-build-manifest-caching
	APUS_DEVELOPMENT=hummingbird APUS_BIN=.build/debug/apus Tests/Integration/run -k test_examples

.PHONY: dist
dist: deps-build ## build a tarball and a Debian package into .build-dist/dist; minutes
	@.ci/install dist
	Packaging/dist $(ARGS)

.PHONY: test-packages
test-packages: deps $(VENV)/installed ## test the Debian package of `make dist` in a clean Debian; needs root
	@.ci/install dist packages
	lintian --allow-root --fail-on error .build-dist/dist/apus_*.deb
	Tests/Packages/run $(PYTEST_ARGS)

.PHONY: soak
soak: build deps $(VENV)/installed ## deliver a million publications to clients that come and go; minutes (PUBLICATIONS=N)
	APUS_TESTS_PUBLICATIONS=$(PUBLICATIONS) Tests/Integration/run -k topics_churn -s

.PHONY: tsan
tsan: deps-build ## run the tests of multi-threaded code under ThreadSanitizer
	@.ci/install redis
	APUS_TESTS=$(RACY) TSAN_OPTIONS="suppressions=$(CURDIR)/Tests/ThreadSanitizer.supp" \
	$(TEST_CHOSEN) --sanitize=thread --scratch-path .build-tsan \
		--experimental-maximum-parallelization-width 4

.PHONY: test-zlib
test-zlib: deps-build ## test the protocol, and build the library, without ISA-L
	APUS_TESTS=WebSocketProtocolTests \
	$(TEST_CHOSEN) --traits Server --scratch-path .build-zlib
	APUS_TESTS=WebSocketProtocolTests \
	swift build --traits Server --scratch-path .build-zlib --target WebSocketServer

.PHONY: conformance
conformance: build deps ## run the Autobahn suite against the server; 12 minutes (ARGS='--cases 7.*')
ifdef ARGS
	Tests/Conformance/run $(ARGS)
else
	Tests/Conformance/suite
endif

.PHONY: attack
attack: build deps ## attack the server while honest clients use it; 80 s (ARGS='--check', '--list' or names)
	Tests/Attack/run $(ARGS)

.PHONY: fuzz
fuzz: deps-build ## run every fuzz target, one on each core (SECONDS=60 each)
	Tests/Fuzzing/run $(SECONDS)

.PHONY: bench
bench: build ## compare compressed with plain messages, charts in Benchmarks/results; 4 minutes
	@.ci/install bench
	.build/release/apus bench compare --svg Benchmarks/results $(ARGS)

.PHONY: bench-floor
bench-floor: build ## compare the server with minimal C programs (ARGS go to Benchmarks/run)
	@.ci/install bench
	Benchmarks/run $(ARGS)

.PHONY: bench-peers
bench-peers: build ## compare the server with others from Debian and PyPI (ARGS=--quick)
	Benchmarks/peers/install
	Benchmarks/peers/run $(ARGS)

.PHONY: bench-app
bench-app: build ## run the same application on FastAPI and on Apus (ARGS=--quick)
	Benchmarks/peers/install
	Benchmarks/peers/app $(ARGS)

.PHONY: instructions
instructions: deps-build ## count the instructions for each echoed message, against thresholds (valgrind)
	@.ci/install instructions
	Benchmarks/instructions

.PHONY: micro
micro: deps-build ## count the instructions of small parts, against thresholds (ARGS=--record sets them)
	@.ci/install instructions
	Benchmarks/micro $(ARGS)

.PHONY: docs-keys
docs-keys: deps-build commit ## update the table of keys in docs/configuration.md
	swift build --product apus
	python3 Tests/Integration/docs_keys.py .build/debug/apus docs/configuration.md

.PHONY: docs-metrics
docs-metrics: deps-build commit ## update the table of metrics in docs/metrics.md
	swift build --product apus
	APUS_BIN=.build/debug/apus python3 Tests/Integration/metrics.py docs/metrics.md

.PHONY: docs
docs: deps-build ## write the reference documentation of the library into .build/docs
	swift build --target WebSocketServer
	python3 Tests/Integration/docc.py .build/debug .build/docs

.PHONY: symbols
symbols: deps-build ## update the lists of public symbols in Tests/PublicSymbols
	swift build --target RedisBroker
	swift build --target WebSocketTesting
	python3 Tests/Integration/public_symbols.py .build/debug

.PHONY: lint
lint: ## check the format of the Swift sources
	swift format lint --strict --parallel --recursive $(SOURCES)

.PHONY: format
format: ## format the Swift sources in place
	swift format --in-place --parallel --recursive $(SOURCES)

.PHONY: build
build: deps-build commit ## build the server in release mode
	swift build -c release --product apus

.PHONY: deps
deps: ## install with apt what is missing for building and testing
	@.ci/install build test

# All that .ci/run needs before steps run side by side: apt knows one caller at a time.
.PHONY: setup
setup: deps commit $(VENV)/installed
	@.ci/install instructions
	Tests/Conformance/autobahn --setup

.PHONY: deps-build
deps-build:
	@.ci/install build

# Writes the commit that `apus --version` prints.
.PHONY: commit
commit:
	@.ci/commit

.PHONY: clean
clean: ## remove all build products
	rm -rf .build .build-* Benchmarks/.build

$(VENV)/installed: Tests/Integration/requirements.txt | deps
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@
