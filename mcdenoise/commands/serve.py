"""`mcdenoise serve`: denoises for another program, which asks by lines of JSON; Blender's extension does."""

import argparse
import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

from mcdenoise.commands import _imports
from mcdenoise.commands._terminal import say
from mcdenoise.errors import FrameError, McdenoiseError

if TYPE_CHECKING:
    from mcdenoise.engine import Denoiser

HELP = "denoise for another program, which asks by lines of JSON (the Blender extension)"
EXAMPLES = """\
examples:
  mcdenoise serve --model standard < requests.txt

A request is one line on stdin:
  {"do": "denoise", "planes": {"color": "color.npy", "albedo": "albedo.npy"}, "target": "clean.npy"}

Planes are float32, h w c, as `mcdenoise.Frame` has them. Events come on stdout, a line of JSON each:
`started` with `engine`, `tile` with `done` and `total`, `done` with `replaced`, `error` with `error`.
`mcdenoise serve` ends with stdin, whatever it is at.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this verb."""
    parser.add_argument("--model", default="standard", metavar="NAME|FILE", help="model to use (standard)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="(auto)")


def run(arguments: argparse.Namespace) -> int:
    """Answer until stdin ends."""
    requests: Queue[str] = Queue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    try:
        with _imports.uncollected():
            from mcdenoise.engine import Denoiser

            denoiser = Denoiser(arguments.model, device=arguments.device)
    except McdenoiseError as error:
        _tell("error", error=str(error))
        return error.exit_code
    _tell("started", engine=f"mcdenoise on {denoiser.device}")
    while True:
        _answer(denoiser, requests.get())


def _listen(requests: "Queue[str]") -> None:
    """A frame can take minutes, and whoever asked may be gone: then nobody wants the rest."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def _answer(denoiser: "Denoiser", line: str) -> None:
    try:
        request = json.loads(line)
        replaced = _denoise(denoiser, request["planes"], Path(request["target"]))
    except McdenoiseError as error:
        _tell("error", error=str(error))
    except (OSError, ValueError, KeyError, TypeError) as error:
        _tell(
            "error",
            error=f"serve: not understood: {type(error).__name__} {error}; see `mcdenoise serve --help`",
        )
    else:
        _tell("done", replaced=replaced)


def _denoise(denoiser: "Denoiser", paths: Mapping[str, str], target: Path) -> int:
    import numpy as np

    from mcdenoise.frame import PLANES, Frame

    if unknown := paths.keys() - PLANES.keys():
        raise FrameError(f"serve: no plane {min(unknown)!r}; there is: {', '.join(PLANES)}")
    frame = Frame({name: np.load(path) for name, path in paths.items()})
    clean = denoiser(frame, on_tile=lambda done, total: _tell("tile", done=done, total=total))
    np.save(target, clean.color)
    return int(clean.attributes["mcdenoise.replaced"])


def _tell(event: str, **what: Any) -> None:
    say(json.dumps({"event": event, **what}))
