# SPDX-License-Identifier: GPL-3.0-or-later
"""Learns a model from a .blend: an external mcdenoise renders pairs of noisy frames, trains, and exports."""

import csv
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .engines import no_window
from .errors import WorkError

POLL_SECONDS = 0.5
LAST_CHARACTERS = 300
# Of the time that it all takes, roughly.
RENDERING = 0.4
_started: list[subprocess.Popen[str]] = []


def learn(request: Mapping[str, Any], say: Callable[..., None]) -> None:
    """Render, train, export; says `progress` with what it is at, `done` with the model, and goes on where an
    earlier attempt in the same folder was stopped.

    Raises:
        WorkError: mcdenoise isn't there or failed; with what it said last.
    """
    folder, model = Path(request["folder"]), Path(request["model"])
    pairs, views = folder / "pairs", request["views"]
    weights = folder / f"{model.stem}.safetensors"
    program, environment = request["program"], {"MCDENOISE_BLENDER": request["blender"]}
    render = [
        "render",
        request["scene"],
        "-o",
        str(pairs),
        "--views",
        str(views),
        "--spp",
        str(request["spp"]),
        "--size",
        request["size"],
        "--filter",
        request["filter"],
        "--quiet",
    ]
    _run(
        [program, *render],
        environment,
        lambda: _say_share(say, "rendering pairs", _count(pairs) / views, 0, RENDERING),
    )
    train = [
        "train",
        str(pairs),
        "-o",
        str(weights),
        "--steps",
        str(request["steps"]),
        "--network",
        "hybrid",
        "--quiet",
        *request.get("more", []),
    ]
    log, rest = weights.with_suffix(".run") / "log.csv", 1 - RENDERING
    _run(
        [program, *train],
        environment,
        lambda: _say_share(say, "training", _step(log) / request["steps"], RENDERING, rest),
    )
    say("progress", done=0.99, doing="writing the model")
    _run([program, "export", str(weights), "--to", "onnx", "-o", str(model)], environment, lambda: None)
    say("done", model=str(model), weights=str(weights))


def stop() -> None:
    """End what runs."""
    for process in _started:
        process.kill()


def _run(words: list[str], environment: Mapping[str, str], meanwhile: Callable[[], None]) -> None:
    try:
        process = subprocess.Popen(
            words,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            **no_window(),
        )
    except OSError as error:
        raise WorkError(
            f"{words[0]}: can't be started: {error.strerror}; set mcdenoise's path in the preferences"
        ) from error
    _started.append(process)
    while True:
        try:
            _, said = process.communicate(timeout=POLL_SECONDS)
            break
        except subprocess.TimeoutExpired:
            meanwhile()
    if process.returncode:
        raise WorkError(f"mcdenoise {words[1]}: {' '.join(said.split())[-LAST_CHARACTERS:]}")


def _say_share(say: Callable[..., None], doing: str, share: float, first: float, length: float) -> None:
    say("progress", done=first + length * min(share, 1.0), doing=doing)


def _count(pairs: Path) -> int:
    return len(list(pairs.rglob("*.b.exr")))


def _step(log: Path) -> int:
    try:
        with log.open(newline="", encoding="utf-8") as file:
            steps = [row[0] for row in csv.reader(file) if row and row[0].isdigit()]
    except OSError:
        return 0
    return int(steps[-1]) if steps else 0
