# The commands that README names. `make setup` comes first by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := build/stamps
# For each fuzz target.
FUZZ_SECONDS ?= 20

.PHONY: help setup demo test test-long check bench bench-images bench-volumes format generate images release removals fuzz clean

help:
	@echo "make demo    the first confidential run, a sealed volume, and the attacks on them"
	@echo "make test    all tests of both languages"
	@echo "make check   format, lint, types, import contracts, generated files, clippy"
	@echo "make bench   measure the promises of SPECIFICATION.md"
	@echo "make bench-images  protected images beside the plain ones, in Podman"
	@echo "make bench-volumes  sealed volumes beside their peers, in the benchmark suite that FSBENCH names"
	@echo "make removals  take each check of the release path away and see a test fail"
	@echo "make fuzz    feed every Rust parser with noise, FUZZ_SECONDS=$(FUZZ_SECONDS) each"
	@echo "make release  build the runtime's release twice, with its bill of materials; AS=NAME signs it"
	@echo "make images  casemate/custodian and casemate/tools as OCI images, in build/images"
	@echo "make clean   remove all that was built"

setup: $(STAMP)/debian $(STAMP)/python $(STAMP)/shield $(STAMP)/module

$(STAMP)/debian: scripts/debian-packages.txt scripts/setup-debian
	@mkdir -p $(STAMP)
	@scripts/setup-debian
	@touch $@

$(STAMP)/python: requirements/dev.txt pyproject.toml scripts/setup-python
	@mkdir -p $(STAMP)
	@scripts/setup-python "$(PYTHON)" "$(VENV)"
	@touch $@

RUST := $(shell find crates -name '*.rs' -not -path '*/fuzz/*' -o -name Cargo.toml -not -path '*/fuzz/*') Cargo.toml Cargo.lock .cargo/config.toml

$(STAMP)/shield: $(RUST) $(STAMP)/debian $(STAMP)/python
	@mkdir -p $(STAMP)
	cargo build --release --locked --package casemate-shield --package casemate-volume-tool --package casemate-image-tool --package casemate-evidence-tool
	install -m 0755 target/x86_64-unknown-linux-gnu/release/casemate-shield $(BIN)/casemate-shield
	install -m 0755 target/x86_64-unknown-linux-gnu/release/casemate-volume $(BIN)/casemate-volume
	install -m 0755 target/x86_64-unknown-linux-gnu/release/casemate-image $(BIN)/casemate-image
	install -m 0755 target/x86_64-unknown-linux-gnu/release/casemate-evidence $(BIN)/casemate-evidence
	@touch $@

# The module casemate_native, beside the interpreter's own packages. A module cannot be static, as the programs are.
$(STAMP)/module: $(RUST) $(STAMP)/debian $(STAMP)/python
	@mkdir -p $(STAMP)
	RUSTFLAGS="-C target-feature=-crt-static" cargo rustc --release --locked --package casemate-volume-python --crate-type cdylib
	install -m 0755 target/x86_64-unknown-linux-gnu/release/libcasemate_native.so \
		"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')/casemate_native.abi3.so"
	@touch $@

demo: setup
	$(BIN)/python -m examples.first_run

test: setup
	cargo test --workspace --locked --quiet
	$(BIN)/pytest

# Every subset of pending writes, every byte of a volume, every bit of a report, thousands of random operations: minutes instead of seconds.
test-long: test
	CASEMATE_LONG=1 cargo test --locked --package casemate-volume --package casemate-ra-tls
	CASEMATE_LONG=1 $(BIN)/pytest tests/integration/volume/test_processes.py tests/integration/volume/test_rekey.py

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m scripts.generate --check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

generate: setup
	$(BIN)/python -m scripts.generate

format:
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cargo fmt --all

removals: setup
	$(BIN)/python -m scripts.removals

# The installed shield stays what it is: a release is built from the commit, in folders of its own.
images: setup
	$(BIN)/python -m scripts.images

release: setup
	$(BIN)/python -m scripts.release $(addprefix --as ,$(AS))

fuzz:
	@scripts/fuzz $(FUZZ_SECONDS)

bench: setup
	$(BIN)/python -m bench

# Protected images beside the plain ones, in Podman: as root, some minutes.
bench-images: setup
	$(BIN)/python -m bench.images

# Sealed volumes beside their peers: as root, a quarter of an hour.
bench-volumes: setup
	scripts/bench-volumes --reps 3

clean:
	rm -rf build target $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
