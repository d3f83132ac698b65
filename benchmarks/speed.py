"""Seconds and memory of ours beside its peers, on the same frame in the same run, taking turns: A B A B ...

    python -m benchmarks.speed examples/frame.exr --model mcdenoise/weights/standard.safetensors

A table with a clock for each thing that somebody waits for (`clocks`): a *frame* (arrays in, arrays out, all
loaded and warm), a *process* (from exec to exit, ours with EXR, OIDN's own `oidnDenoise` with PFM), its
*start*, reading and writing *files*, the engines of *blender*, a *sequence*, a *large* frame. OIDN gets
color, noisy albedo and normal. Writes OUT/speed.md and OUT/speed.json.

Seconds of two runs are never compared. `--beside CHECKOUT` has another revision of ours take turns too.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks import clocks, origin, turns
from benchmarks.clocks import CLOCKS
from benchmarks.origin import Origin
from benchmarks.turns import Timing
from mcdenoise import exr
from mcdenoise.errors import McdenoiseError, UsageError
from mcdenoise.frame import Frame, Plane


def main() -> int:
    """The command line."""
    arguments = _arguments()
    try:
        where = origin.here("benchmarks.speed", arguments.model)
        timings = measure(arguments)
    except McdenoiseError as error:
        print(f"benchmarks.speed: {error}", file=sys.stderr)
        return error.exit_code
    page = as_markdown(timings, arguments.size, where)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "speed.md").write_text(page, encoding="utf-8")
    record = {"origin": asdict(where), "size": arguments.size, "timings": [asdict(t) for t in timings]}
    (arguments.out / "speed.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    print(page)
    return 0


def measure(arguments: argparse.Namespace) -> list[Timing]:
    """All clocks that are asked for, one after the other.

    Raises:
        UsageError: no rounds are asked for, or the frame has no albedo or normal for OIDN.
    """
    frame = fit(exr.read_frame(arguments.frame), arguments.size)
    if not {"albedo", "normal"} <= frame.planes.keys():
        raise UsageError(f"{arguments.frame}: no albedo and normal; OIDN runs with guides here")
    timings = []
    for name in arguments.clocks:
        contenders, most = CLOCKS[name]
        with tempfile.TemporaryDirectory() as folder:
            given = clocks.Given(frame, arguments.model, Path(folder), arguments.device, arguments.frames,
                                 arguments.large, arguments.onnx, arguments.beside)  # fmt: skip
            timings += turns.take_turns(name, contenders(given), min(arguments.rounds, most))
    return timings


def fit(frame: Frame, size: tuple[int, int]) -> Frame:
    """The frame repeated (mirrored at its edges) and cut to `size`, width and height in pixels."""
    width, height = size
    return Frame(
        {name: _tiled(plane, height, width) for name, plane in frame.planes.items()}, frame.attributes
    )


def as_markdown(timings: list[Timing], size: tuple[int, int], where: Origin) -> str:
    """Where it was measured, and the table."""
    return f"# Speed at {size[0]}x{size[1]}\n\n{origin.as_markdown(where)}\n{turns.as_markdown(timings)}"


def _tiled(plane: Plane, height: int, width: int) -> Plane:
    pad = [(0, max(0, want - have)) for want, have in zip((height, width), plane.shape, strict=False)]
    return np.ascontiguousarray(np.pad(plane, [*pad, (0, 0)], mode="symmetric")[:height, :width])


def size(text: str) -> tuple[int, int]:
    """Width and height of `1920x1080`."""
    width, height = (int(side) for side in text.split("x"))
    return width, height


def _clocks(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - CLOCKS.keys():
        raise argparse.ArgumentTypeError(f"no {min(unknown)!r}; there is: {', '.join(CLOCKS)}")
    return names


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.speed", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("frame", type=Path, metavar="FRAME.exr", help="a real frame with albedo and normal")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--clocks", type=_clocks, default=list(CLOCKS), metavar="NAME,...",
                        help=f"(default: {','.join(CLOCKS)})")  # fmt: skip
    parser.add_argument("--device", default="cpu", help="of ours; OIDN runs on the CPU (default: cpu)")
    parser.add_argument("--size", type=size, default=(1920, 1080), metavar="WxH", help="(default: 1920x1080)")
    parser.add_argument("--large", type=size, default=(7680, 4320), metavar="WxH", help="(7680x4320)")
    parser.add_argument("--frames", type=int, default=50, metavar="N", help="of a sequence (default: 50)")
    parser.add_argument("--onnx", type=Path, metavar="FILE.onnx", help="for blender: of `mcdenoise export`")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="another revision, taking turns")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="at most (default: 5)")
    parser.add_argument("--out", type=Path, default=Path("runs/speed"), help="(default: runs/speed)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
