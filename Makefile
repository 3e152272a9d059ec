# make demo    watch it work, on a simulated slide
# make test    checks and tests
# make docs    the pages, into build/docs/index.html
# make faults  faults put into the code, one at a time: does a test notice each?
# make mutants every small change of the rooms that count: which share do their tests notice?
# make soak    the tests of endurance in full
# Everything that is needed is set up on the first call.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
EXTRAS := demo,docs,heic,trainer,test,tflite-runtime

.PHONY: demo test docs faults mutants soak check format schema bench boot-test arm-test clean

demo: $(VENV)/.demo
	@$(BIN)/leukoscope demo $(DEMO)

# Three processes. The trainer's, for tflite-runtime does not load beside TensorFlow, computes and has no hurry: it takes
# what the others, which wait much and have daemons that must be in time, leave of the processors. Those of the page in a
# browser wait most, and need nothing of the rest. What both say is shown afterwards. Before all, alone, what measures times.
BROWSER_TESTS := tests/edge/web/browser
BROWSER_LOG := build/browser-tests.log
TRAINER_LOG := build/trainer-tests.log
test: $(VENV)/.test
	@$(MAKE) --no-print-directory -j 2 --output-sync=target check docs
	@mkdir -p build; $(BIN)/python -m pytest tests/benchmarks; timing=$$?; \
	nice -n 19 $(BIN)/python -m pytest tests/trainer --timeout 900 > $(TRAINER_LOG) 2>&1 & trainer=$$!; \
	$(BIN)/python -m pytest $(BROWSER_TESTS) > $(BROWSER_LOG) 2>&1 & browser=$$!; \
	trap 'kill $$trainer $$browser 2> /dev/null' EXIT; trap 'exit 130' INT TERM; \
	$(BIN)/python -m pytest tests --ignore tests/trainer --ignore tests/benchmarks --ignore $(BROWSER_TESTS); device=$$?; \
	tail --pid $$browser --lines +1 --follow $(BROWSER_LOG); wait $$browser; page=$$?; \
	tail --pid $$trainer --lines +1 --follow $(TRAINER_LOG); \
	trap - EXIT; wait $$trainer; network=$$?; \
	[ $$((timing | device | page)) -eq 0 ] || echo "tests have failed above those of the trainer"; \
	exit $$((timing | device | page | network))

# A warning is an error: among others a link to a page or a heading that is not there.
docs: $(VENV)/.test
	$(BIN)/python -m sphinx -q -n -W --keep-going -b html docs build/docs
	@echo "the pages: build/docs/index.html"

# Some minutes. A part of the table: make faults FAULTS="edge/specimens edge/store".
faults: $(VENV)/.test
	@$(BIN)/python tests/mutants.py $(FAULTS)

# Every small change of a room, one at a time: hours. A part: make mutants MUTANTS="differential --sample 100".
mutants: $(VENV)/.test
	$(PIP) install --quiet --editable '.[mutants]'
	@$(BIN)/python tests/mutate_rooms.py $(MUTANTS)

# Kills, outages and fuzzed inputs by the hundred and the thousand; with what was measured. It ends after SOAK_S seconds
# at the latest, by an interrupt, so that pytest says how far it is; it leaves its files only where a test failed.
SOAK ?= tests/edge/daemon/test_kills.py tests/edge/daemon/test_restart.py tests/edge/daemon/test_answered_orders.py \
	tests/edge/daemon/test_soak.py tests/edge/slide/test_counting_once.py tests/edge/daemon/test_hand_scans.py \
	tests/edge/quality/test_quality_real.py tests/edge/cameras/test_contract.py tests/benchmarks/test_comparison_live.py tests/edge/web/test_fuzz.py \
	tests/edge/web/test_web_kills.py tests/edge/web/test_load.py
SOAK_DIR ?= build/soak
SOAK_S ?= 5400
soak: $(VENV)/.test
	mkdir -p $(dir $(SOAK_DIR))
	LEUKOSCOPE_SOAK=1 timeout --signal INT --kill-after 30 $(SOAK_S) $(BIN)/python -m pytest -s --basetemp $(SOAK_DIR) \
		-o tmp_path_retention_policy=failed $(SOAK) || { status=$$?; \
		[ $$status -ne 124 ] || echo "ended after $(SOAK_S) s: give it longer with SOAK_S, or a part with SOAK"; exit $$status; }

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(VENV)/.demo
	@$(BIN)/leukoscope schema

bench: $(VENV)/.demo
	@$(BIN)/leukoscope-bench $(BENCH)

# The device in an emulated machine, under a real systemd. Needs root on Debian, a network, 6 GB and some minutes.
BOOT_DIR ?= /var/tmp/leukoscope-boot
boot-test:
	tests/firmware_config/boot/boot_test.sh $(BOOT_DIR)

# The answers and the memory on 64-bit Arm, in an emulated machine. Needs root on Debian, a network, 1 GB and minutes.
ARM_DIR ?= /var/tmp/leukoscope-arm64
arm-test: $(VENV)/.test
	tests/benchmarks/arm64/arm64.sh $(ARM_DIR)
	LEUKOSCOPE_ARM64=$(ARM_DIR) $(BIN)/python -m pytest tests/benchmarks/test_arm64.py

# A virtual environment with only what runs the device and the demo. mosquitto is wanted, not needed: the demo
# has a broker of its own.
$(VENV)/.demo: setup.cfg pyproject.toml | $(VENV)/bin/python
	@firmware_config/apt_need.sh mosquitto:mosquitto || echo "going on with the embedded broker"
	$(PIP) install --quiet --editable '.[demo]'
	@touch $@

# Hundreds of processes that tests start would each compile what they import where Python may not write it down
# (PYTHONDONTWRITEBYTECODE). What only the trainer and the checks use is large and started a few times.
COMPILED_WHEN_USED := /(tensorflow|keras|jax|shap|sklearn|scipy|matplotlib|numba|llvmlite|pandas|sphinx|mypy|babel)/

$(VENV)/.test: setup.cfg pyproject.toml | $(VENV)/bin/python
	@firmware_config/apt_need.sh mosquitto:mosquitto mosquitto_sub:mosquitto-clients || echo "tests of a real broker will be skipped"
	@firmware_config/apt_need.sh chromium:chromium || echo "tests in a browser will be skipped"
	@firmware_config/apt_need.sh cage:cage Xwayland:xwayland || echo "the test of the device's own display will be skipped"
	@fc-list :lang=bn 2>/dev/null | grep -q . || firmware_config/apt_need.sh :fonts-noto-core || echo "screenshots lack letters"
	@firmware_config/apt_need.sh shellcheck:shellcheck openssl:openssl || echo "tests that want them will be skipped"
	$(PIP) install --quiet --no-compile --editable '.[$(EXTRAS)]'
	@$(BIN)/python -m compileall -q -j 0 -x '$(COMPILED_WHEN_USED)' $(VENV)/lib edge
	@touch $@ $(VENV)/.demo

# Debian leaves ensurepip out of python3; without it a virtual environment has no pip.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Leukoscope needs Python 3.11, 3.12 or 3.13; $(PYTHON) is another. Give one: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || firmware_config/apt_need.sh :python3-venv
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
