#!/bin/sh
# One step of an hour on a GPU (README.md), in the root of the tree that travelled:
#   install FOLDER | render SECONDS | train SECONDS TOTAL | bench | resume FOLDER
# What lies under WORK stays on the machine between steps; what is to come back goes to $OUT.
set -eu
WORK=${WORK:-/tmp/mcdenoise}
OUT=${OUT:-$WORK/out}
PYTHON=${PYTHON:-python3}
mkdir -p "$WORK" "$OUT"
export PYTHONPATH="$PWD:$WORK/site${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
llvm=$(ls "$WORK"/llvm/usr/lib/*/libLLVM*19* 2>/dev/null | head -1 || true)
if [ -n "$llvm" ]; then
    export DRJIT_LIBLLVM_PATH="$llvm" LD_LIBRARY_PATH="$(dirname "$llvm")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
if [ -n "${MCDENOISE_GPU_TRIAL:-}" ]; then
    RENDERERS=1 BATCH=2 CROP=32 VIEWS="--views 2 --size 32x32 --spp 1,2 --extra-spp 4" WORKERS=0 MOST=2 SAVE=2
else
    RENDERERS=$(($(nproc) - 4)) BATCH=64 CROP=128 WORKERS=4 MOST=2000 SAVE=100
    VIEWS="--views 8 --size 160x160 --spp 1,2,2,4,4,8,8,16 --extra-spp 16,32,32,64,64,128"
    VIEWS="$VIEWS --filter box,box,blackman-harris,blackman-harris,gaussian,tent,mitchell"
fi

install() {
    (nvidia-smi || true; nproc; free -g; "$PYTHON" -V; "$PYTHON" -m pip list) > "$OUT/facts.txt" 2>&1
    mkdir -p "$WORK/wheels" && cp "$1"/* "$WORK/wheels/"
    if ls "$WORK"/wheels/*.deb > /dev/null 2>&1; then # the last part has come
        name=$(basename "$WORK"/wheels/*.part.aa .part.aa)
        cat "$WORK"/wheels/*.part.a? > "$WORK/wheels/$name" && rm "$WORK"/wheels/*.part.a?
        "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$WORK/site" "$WORK"/wheels/*.whl
        for package in "$WORK"/wheels/*.deb; do dpkg -x "$package" "$WORK/llvm"; done
        for variant in cuda_ad_rgb llvm_ad_rgb scalar_rgb; do # each in a process of its own: some abort
            MCDENOISE_MITSUBA_VARIANT=$variant "$PYTHON" -m mcdenoise render --procedural 1 --views 1 --size 64x64 \
                -o "$WORK/probe.$variant" --quiet >> "$OUT/facts.txt" 2>&1 && echo "$variant works" | tee -a "$OUT/facts.txt" \
                || echo "$variant fails" | tee -a "$OUT/facts.txt"
        done
    fi
}

render() { # SECONDS each: made-up places by the GPU, one process and four, and by LLVM on all cores
    for way in cuda_ad_rgb:1 cuda_ad_rgb:4 "llvm_ad_rgb:$(nproc)"; do
        variant=${way%:*} processes=${way#*:} folder="$WORK/render.$way" begin=$(date +%s)
        rm -rf "$folder"
        for number in $(seq "$processes"); do
            MCDENOISE_MITSUBA_VARIANT=$variant OMP_NUM_THREADS=1 timeout "$1" "$PYTHON" -m mcdenoise render --quiet \
                --procedural $MOST --first-scene $((700000 + number * 2000)) -o "$folder" $VIEWS >> "$OUT/render.log" 2>&1 &
        done
        wait
        views=$(ls "$folder" 2>/dev/null | grep -c '\.d\.exr$' || true) taken=$(($(date +%s) - begin))
        echo "$variant, processes: $processes, views: $views, seconds: $taken, views an hour:" \
            "$((views * 3600 / (taken > 0 ? taken : 1)))" | tee -a "$OUT/render.txt"
    done
}

render_ahead() { # processes that outlive this step; each makes places of its own numbers; the GPU is the training's
    [ -e "$WORK/rendering" ] && return
    : > "$WORK/rendering"
    for number in $(seq 0 $((RENDERERS - 1))); do
        CUDA_VISIBLE_DEVICES='' OMP_NUM_THREADS=1 setsid nohup nice -n 10 "$PYTHON" -m mcdenoise render --procedural $MOST --quiet \
            --first-scene $((600000 + number * 2000)) -o "$WORK/pairs" $VIEWS > "$WORK/render.$number.log" 2>&1 &
    done
}

train() {
    seconds=$1 total=$2 begin=$(date +%s)
    render_ahead
    until [ "$(ls "$WORK/pairs" 2>/dev/null | grep -c '\.d\.exr$')" -ge "${LEAST:-4}" ]; do sleep 1; done
    "$PYTHON" -m mcdenoise pack "$WORK/pairs" -o "$WORK/shards" > "$OUT/pack.txt" || true
    mkdir -p "$WORK/train"
    [ -e "$WORK/steps" ] || "$PYTHON" -m benchmarks.gpu.pace "$WORK/shards" --seconds "$total" --batch $BATCH \
        --crop $CROP --workers $WORKERS > "$WORK/steps"
    left=$((seconds - $(date +%s) + begin))
    timeout -s INT $((left > 10 ? left : 10)) "$PYTHON" -m mcdenoise train "$WORK/shards" -o "$WORK/train/model.safetensors" \
        --config mcdenoise/weights/standard.toml --steps "$(cat "$WORK/steps")" --batch $BATCH --crop $CROP \
        --workers $WORKERS --save-every $SAVE ${MCDENOISE_GPU_TRIAL:+--device cpu} > "$OUT/train.txt" 2>&1 || true
    keep
}

keep() { # below 16 MiB a file, and eight files at most
    cp "$WORK/steps" "$OUT/steps.txt"
    cp "$WORK/train/model.run/log.csv" "$OUT/" 2>/dev/null || true
    cp "$WORK/train/model.safetensors" "$OUT/" 2>/dev/null || true
    split -b 15M "$WORK/train/model.run/state.safetensors" "$OUT/state." 2>/dev/null || true
}

resume() {
    mkdir -p "$WORK/train/model.run"
    cat "$1"/state.* > "$WORK/train/model.run/state.safetensors"
    cp "$1/log.csv" "$WORK/train/model.run/" && cp "$1/steps.txt" "$WORK/steps"
}

bench() {
    "$PYTHON" -m benchmarks.gpu.frame --model mcdenoise/weights/standard.safetensors | tee "$OUT/frame.md"
}

step=$1; shift
"$step" "$@"
