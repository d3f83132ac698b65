# SPDX-License-Identifier: GPL-3.0-or-later
"""One request on stdin, a JSON line; events on stdout, a JSON line each; ends when stdin does.

Request: `do` ("denoise"), `frames` (each a `source`, or two `halves`, and a `target`), `engine` (auto,
onnxruntime, numpy, external), `model`, `program` (of external), `options`, `search` (folders to import from).
Events: `started` (engine), `progress` (done 0..1, frame, of), `frame` (target, layers, without_guides,
replaced), `skipped` (target), `failed` (source, error), `done` (written, skipped, failed), or `error`.
"""

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from . import engines, frames, learning
from .errors import WorkError


class Speaker:
    """Writes events where the parent listens; whatever else prints goes to stderr."""

    def __init__(self) -> None:
        self._stream: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def say(self, event: str, **what: Any) -> None:
        """One line."""
        self._stream.write(json.dumps({"event": event, **what}) + "\n")
        self._stream.flush()


def main() -> int:
    """Do what the first line asks for."""
    speaker = Speaker()
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    sys.path.extend(request.get("search", []))
    try:
        {"denoise": _denoise, "learn": learning.learn}[request["do"]](request, speaker.say)
    except WorkError as error:
        speaker.say("error", error=str(error))
        return 1
    return 0


def _end_with_stdin() -> None:
    """Blender closes it to cancel, and is gone if it crashed: so are we, and what we started."""
    while sys.stdin.read(1):
        pass
    learning.stop()
    os._exit(3)


def _denoise(request: Mapping[str, Any], say: Any) -> None:
    """All frames; a bad one doesn't stop the rest."""
    denoiser = engines.open_denoiser(request)
    say("started", engine=denoiser.name)
    counts = {"written": 0, "skipped": 0, "failed": 0}
    try:
        for number, frame in enumerate(request["frames"]):
            counts[_one(frame, number, request, denoiser, say)] += 1
    finally:
        denoiser.close()
    say("done", **counts)


def _one(
    frame: Mapping[str, Any], number: int, request: Mapping[str, Any], denoiser: engines.Denoiser, say: Any
) -> str:
    target, options = Path(frame["target"]), frames.Options(**request["options"])
    sources = [Path(source) for source in frame.get("halves") or [frame["source"]]]
    of = len(request["frames"])

    def progress(done: float) -> None:
        say("progress", done=(number + done) / of, frame=number + 1, of=of)

    if target in sources:
        raise WorkError(f"{target}: would overwrite its own source; choose another folder")
    if target.exists() and request.get("skip_existing"):
        say("skipped", target=str(target))
        return "skipped"
    try:
        work = frames.denoise_halves if len(sources) > 1 else frames.denoise
        outcome = work(sources if len(sources) > 1 else sources[0], target, denoiser, options, progress)  # type: ignore[operator]
    except (WorkError, MemoryError) as error:
        say("failed", source=str(sources[0]), error=str(error) or "not enough memory; close other programs")
        return "failed"
    say("frame", target=str(target), **vars(outcome))
    return "written"


if __name__ == "__main__":
    sys.exit(main())
