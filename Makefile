# Thin front doors; CMakePresets.json and tools/ hold the substance.
PRESET ?= release
BUILD := build/$(PRESET)
RLHF := $(BUILD)/bin/rlhf
LIBTORCH := third_party/torch/lib/libtorch_cpu.so
WHEELS := $(or $(RLHF_WHEEL_CACHE),$(HOME)/.cache/rlhf/wheels)
JOBS ?=

.PHONY: build setup quickstart test chaos soak parity screenshots bench check fuzz cuda package package-test sbom clean help
.DEFAULT_GOAL := build

build: $(BUILD)/build.ninja ## build everything into build/release (PRESET=debug|asan|tsan for others)
	cmake --build --preset $(PRESET) $(if $(JOBS),-j $(JOBS))

$(LIBTORCH):
	tools/setup.sh

$(BUILD)/build.ninja: | $(LIBTORCH)
	cmake --preset $(PRESET)

setup: ## install Debian packages, LibTorch and the default model (CUDA=1: CUDA libraries too)
	@CUDA=$(CUDA) tools/setup.sh

quickstart: setup ## run the whole loop on this machine
	@$(MAKE) --no-print-directory build
	$(RLHF) up examples/quickstart.txtpb

test: setup .venv-page/.made .venv-launch/.made ## build everything and run all tests
	@$(MAKE) --no-print-directory build
	ctest --preset $(PRESET)

chaos: ## kill a rank of a learner at 50 random moments (KILLS=n), and a store; print what became of it
	@$(MAKE) --no-print-directory build
	RLHF_BINARY=$(RLHF) RLHF_CHAOS_KILLS=$(or $(KILLS),50) RLHF_SOURCE_DIR=. OMP_NUM_THREADS=1 \
	  $(BUILD)/test/failure_test --gtest_filter=ChaosTest.*
	RLHF_STORE_KILLS=200 RLHF_STORE_RESTARTS=20 $(BUILD)/test/store_test --gtest_filter='*Killed*:*Restarts*'

soak: ## faults at a running loop for 30 minutes (MINUTES=n SEED=n); print what held
	@$(MAKE) --no-print-directory build
	RLHF_BINARY=$(RLHF) python3 -B tests/fault/soak.py --minutes $(or $(MINUTES),30) \
	  $(if $(SEED),--seed $(SEED)) --json $(BUILD)/soak.json

parity: setup .venv-parity/.made ## compare with references, TRL, transformers and tokenizers, print the differences
	@$(MAKE) --no-print-directory build
	.venv-parity/bin/python tools/parity --rlhf $(RLHF) --probe $(BUILD)/tests/parity/math_probe

.venv-parity/.made: tools/requirements-parity.txt
	rm -rf .venv-parity
	/usr/bin/python3 -m venv .venv-parity || python3 -m venv .venv-parity
	.venv-parity/bin/pip install --progress-bar off --find-links $(WHEELS) -r $<
	touch $@

.venv-page/.made .venv-launch/.made: .venv-%/.made: tools/requirements-%.txt
	rm -rf .venv-$*
	/usr/bin/python3 -m venv .venv-$* || python3 -m venv .venv-$*
	.venv-$*/bin/pip install --progress-bar off --retries 5 --timeout 60 \
	  --only-binary=:all: --find-links $(WHEELS) -r $<
	touch $@

screenshots: setup .venv-page/.made ## pictures of the pages into docs/images
	@$(MAKE) --no-print-directory build
	PAGE_SERVER=$(BUILD)/tests/page/page_server .venv-page/bin/python -B tests/page/screenshots.py

bench: setup .venv-bench/.made ## time generation, scoring, weights and updates beside other systems: two hours
	@$(MAKE) --no-print-directory build
	.venv-bench/bin/python bench/update_bench.py
	.venv-bench/bin/python bench/ppo_bench.py --rlhf $(RLHF)
	.venv-bench/bin/python bench/generation_bench.py --build $(BUILD)
	.venv-bench/bin/python bench/scoring_bench.py --build $(BUILD)
	.venv-bench/bin/python bench/weights_bench.py --build $(BUILD)

.venv-bench/.made: bench/peers/requirements.txt
	rm -rf .venv-bench
	/usr/bin/python3 -m venv .venv-bench || python3 -m venv .venv-bench
	.venv-bench/bin/pip install --progress-bar off -r $<
	touch $@

check: setup .venv-page/.made .venv-launch/.made ## format, layers, build, tests: what to run before a commit
	tools/check.sh

fuzz: setup ## give random bytes to what reads bytes from outside, 60 s each target (FUZZ_SECONDS=n)
	tools/fuzz.sh $(or $(FUZZ_SECONDS),60)

cuda: ## build the CUDA and NCCL path; needs neither a toolkit nor a GPU
	@$(MAKE) --no-print-directory setup CUDA=1
	@$(MAKE) --no-print-directory build PRESET=cuda

package: build ## a .deb and a relocatable tarball, with LibTorch, in build/release
	cd $(BUILD) && cpack

package-test: build ## install the .deb in a bare Debian from the network, run the loop there (root)
	RLHF_BUILD_DIR=$(BUILD) RLHF_DEBIAN_MIRROR=$(or $(RLHF_DEBIAN_MIRROR),http://deb.debian.org/debian) \
	  python3 -B tests/launch/package_test.py

sbom: ## print what it is built from, as CycloneDX 1.5
	@python3 -B tools/sbom.py

clean: ## remove build/
	rm -rf build

help: ## list these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | column -t -s "$$(printf '\t')"
