# `make` alone lists the targets: each says what it does after its `##`.
# Installing leaves a stamp in .venv, so that a second run starts at once.

PYTHON      ?= python3
# An index of CPU-only torch wheels, see constraints.txt.
TORCH_INDEX ?=
MODEL       ?= mcdenoise/weights/standard.safetensors
PAIRS       ?= pairs/train
VALIDATION  ?= pairs/validation
OUT         ?= runs
# Blenders that the extension is tried in, and the platforms of its full flavour.
BLENDERS    ?= 4.2 4.5 5.0
PLATFORMS   ?= manylinux_2_28_x86_64 win_amd64 macosx_14_0_arm64
# What `make test-all` does with a test that lacks a tool that it installs: fail, or nothing where that can't be.
SKIPS       ?= fail
# Steps of each training of the literature's rows; each has its own number.
STEPS       ?=
# Where the real scenes lie: shared/unpack prints it.
ASSETS      ?= $(shell ../shared/unpack 2>/dev/null)

TRAINING := classroom living-room staircase staircase2 veach-bidir spaceship glass-of-milk car2 cornell-box
TRAINING_VIEWS := --size 128x128 --spp 1,2,2,4,4,8,8,16 --extra-spp 16,32,32,64 \
                  --filter box,box,blackman-harris,blackman-harris,gaussian,tent,mitchell

BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt \
       $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-all check lint fast-tests llvm chromium pairs validation train-standard card bench bench-quality bench-speed addon addon-full test-blender farms clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

demo: .venv/demo-installed ## install, denoise examples/frame.exr, make a before | after picture
	@mkdir -p demo
	$(BIN)/mcdenoise examples/frame.exr -o demo/out.exr --force
	$(BIN)/python examples/compare.py

test: lint fast-tests ## install what tests need; format, lint, types, import rules, fast tests

test-all: llvm chromium farms lint ## everything in `make test`, and the slow and rendering tests
	MCDENOISE_SKIPS=$(SKIPS) $(BIN)/python -m pytest

check: test ## the gate before a commit: the same as `make test`

lint: .venv/dev-installed ## only format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fast-tests: .venv/dev-installed ## only the fast tests
	$(BIN)/python -m pytest -m "not slow and not render"

pairs: .venv/dev-installed llvm ## render what the shipped model learns from, into PAIRS=pairs/train (an hour)
	-$(BIN)/mcdenoise render $(TRAINING:%=$(ASSETS)/scenes/%/scene_m3.xml) -o $(PAIRS) $(TRAINING_VIEWS) --views 60 --changed-share 0.7
	$(BIN)/mcdenoise render --procedural 125 --environments $(ASSETS)/hdri -o $(PAIRS) $(TRAINING_VIEWS) --views 8

train-standard: .venv/dev-installed ## train the shipped model from PAIRS=pairs/train (hours), go on if stopped
	@mkdir -p $(OUT)
	$(BIN)/mcdenoise train $(PAIRS) -o $(OUT)/standard.safetensors --config mcdenoise/weights/standard.toml

validation: .venv/dev-installed llvm ## render validation frames and their references into VALIDATION (minutes)
	for spp in 2 8 32 512; do for scene in bathroom dining-room; do for filter in box gaussian tent mitchell blackman-harris; do \
	  $(BIN)/mcdenoise render $(ASSETS)/scenes/$$scene/scene_m3.xml -o $(VALIDATION) --size 192x192 --guides first \
	    --spp $$spp --filter $$filter --seed $$((1000 + spp)) --camera-seed 5 --views $$([ $$filter = box ] && echo 2 || echo 1) \
	    || exit; done; done; done

bench-quality: .venv/dev-installed ## scores of MODEL on VALIDATION=pairs/validation beside OIDN's
	$(BIN)/python -m benchmarks.quality $(VALIDATION) --model $(MODEL) --out $(OUT)/quality

card: .venv/dev-installed ## write the card of MODEL from its file and the scores of the last bench-quality
	$(BIN)/python -m benchmarks.card --model $(MODEL) --quality $(OUT)/quality/quality.md

bench: .venv/dev-installed build/addon/standard.onnx ## all that `benchmarks.speed` knows, in one table (an hour); needs an idle machine
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.speed examples/frame.exr --model $(MODEL) --onnx build/addon/standard.onnx --out $(OUT)/bench

bench-speed: .venv/dev-installed ## of that a frame and a process at 1920x1080 beside OIDN's (minutes)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.speed examples/frame.exr --model $(MODEL) --clocks frame,process --out $(OUT)/speed

# A target for each row of benchmarks/literature: literature-corruptions, literature-monte-carlo ...
LITERATURE := $(patsubst %,literature-%,$(subst _,-,$(basename $(notdir $(wildcard benchmarks/literature/rows/[a-z]*.py)))))
.PHONY: literature $(LITERATURE)

literature: $(LITERATURE) ## all claims of docs/literature.md again; make literature-NAME does one

$(LITERATURE): literature-%: .venv/dev-installed
	$(BIN)/python -m benchmarks.literature $* $(if $(STEPS),--steps $(STEPS))

literature-monte-carlo literature-online: pairs/literature/rendered

pairs/literature/rendered: .venv/dev-installed
	$(BIN)/mcdenoise render --procedural 8 --views 4 -o $(@D) --size 96x96 --spp 8 --extra-spp 64 --filter box
	@touch $@

addon: build/addon/lite/built ## build the Blender extension's zip, and have Blender's validator look at it

addon-full: build/addon/full/built ## the same with onnxruntime inside, a zip for each of PLATFORMS

test-blender: build/addon/lite/built $(BLENDERS:%=.tools/bpy-%/installed) ## try the extension in BLENDERS (bpy, 1 GB each)
	for version in $(BLENDERS); do \
	  MCDENOISE_BLENDER=$(CURDIR)/.tools/bpy-$$version/bin/python STORY_ENGINES="numpy onnxruntime" \
	    MCDENOISE_ADDON=$$(echo $(CURDIR)/build/addon/lite/*.zip) $(BIN)/python -m pytest tests/test_addon.py || exit; done

clean: ## remove .venv, caches and what demo made; keeps pairs/ and runs/
	rm -rf .venv demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Mitsuba's fast variant needs LLVM; without it the rendering tests run on the slow one.
llvm:
	@if ! ldconfig -p | grep -qE 'libLLVM(-19|\.so\.19)' && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing libllvm19 for Mitsuba's fast variant"; \
	  apt-get install -y -qq libllvm19 >/dev/null 2>&1 \
	    || { apt-get update -qq && apt-get install -y -qq libllvm19; } >/dev/null 2>&1 \
	    || echo "libllvm19: can't be installed; tests use Mitsuba's slow variant, or are skipped with SKIPS="; \
	fi

# The page of `mcdenoise demo` is tried in a real browser.
chromium:
	@if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing chromium for the tests of pages"; \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 \
	    || echo "chromium: can't be installed; its tests fail, or are skipped with SKIPS="; \
	fi

# What farms' own tools make of our jobs: each in a Python of its own, since their pins exclude each other.
FARM_TOOLS := deadline opencue
FARM_PROGRAMS := slurmctld slurmd slurm-client munge nodejs tcl openssl

farms: $(FARM_TOOLS:%=.tools/%/installed)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! { command -v slurmctld \
	    && command -v node && command -v tclsh; } >/dev/null; then \
	  echo "installing $(FARM_PROGRAMS) for the tests of farms"; \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(FARM_PROGRAMS); } >/dev/null 2>&1 \
	    || echo "they can't be installed; SKIPS= skips those tests"; \
	fi

.tools/deadline/installed: FARM_PACKAGES := "deadline==0.60.*"
.tools/opencue/installed: FARM_PACKAGES := "opencue-pycue==1.37.*" "opencue-rqd==1.37.*" packaging
$(FARM_TOOLS:%=.tools/%/installed):
	@echo "installing $(@D) (once)"
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install -qq --disable-pip-version-check $(FARM_PACKAGES)
	@touch $@

ADDON_MODELS := build/addon/standard.onnx build/addon/fast.onnx
build/addon/standard.onnx: $(MODEL)
build/addon/fast.onnx: mcdenoise/weights/fast.safetensors
$(ADDON_MODELS): $(wildcard mcdenoise/networks/*.py mcdenoise/onnx/*.py) | .venv/dev-installed
	@mkdir -p $(@D)
	$(BIN)/mcdenoise export $(filter %.safetensors,$^) --to onnx -o $@

# Blender's tool to build and validate: that of MCDENOISE_BLENDER, or of a bpy of our own.
BUILDER := $(or $(MCDENOISE_BLENDER),$(CURDIR)/.tools/bpy-5.0/bin/python)

build/addon/lite/built: $(ADDON_MODELS) $(wildcard blender_addon/* blender_addon/worker/*) \
                        $(if $(MCDENOISE_BLENDER),,.tools/bpy-5.0/installed)
	@rm -rf $(@D)
	MCDENOISE_BLENDER=$(BUILDER) $(BIN)/python blender_addon/build.py --models $(ADDON_MODELS) -o $(@D)
	@touch $@

build/addon/full/built: build/addon/lite/built
	@rm -rf $(@D) build/addon/wheels
	for platform in $(PLATFORMS); do for python in 3.11 3.13; do \
	  $(BIN)/python -m pip download -qq --no-deps --only-binary=:all: --python-version $$python --platform $$platform \
	    -d build/addon/wheels onnxruntime || exit; done; done
	MCDENOISE_BLENDER=$(BUILDER) $(BIN)/python blender_addon/build.py --models $(ADDON_MODELS) \
	  --wheels build/addon/wheels -o $(@D)
	@touch $@

.tools/bpy-%/installed:
	@echo "installing bpy $* into .tools (once, 1 GB)"
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install -qq --disable-pip-version-check "bpy==$*.*" onnxruntime
	@touch $@

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON): needs Python 3.11 or newer; try: make PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv >/dev/null 2>&1 \
	  || { echo "$(PYTHON): can't make .venv; on Debian: apt install python3-venv" >&2; exit 1; }
	@touch $@

.venv/demo-installed: pyproject.toml constraints.txt | .venv/created
	@echo "installing mcdenoise and torch into .venv (once, minutes)"
	$(PIP) -e . pillow
	@touch $@

.venv/dev-installed: pyproject.toml constraints.txt | .venv/created
	@echo "installing mcdenoise and what its tests need into .venv (once, minutes)"
	$(PIP) -e '.[dev]'
	@touch $@
