"""Peak memory of `mcdenoise` on a large frame.

    python -m benchmarks.large_frame --size 7680x4320 [--model NAME|FILE] [--tiles 4]

The frame has half R, G, B, albedo and normal and float depth, ZIP: ten channels. `reading` is a process that
only reads it, `denoising` all of it, from start to exit. With `--tiles` the network sees so many tiles, the
others pass as they are: each tile takes the same memory, so the peak is the same; the seconds aren't.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import OpenEXR

from benchmarks import turns
from benchmarks.turns import Work

SPARING = """
import sys
from mcdenoise import engine
from mcdenoise.__main__ import main
from mcdenoise.networks._contract import Output
real, left = engine._run, iter(range({tiles}))
engine._run = lambda network, inputs, device: (
    Output(inputs[0]) if next(left, None) is None else real(network, inputs, device))
sys.exit(main(sys.argv[1:]))
"""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.large_frame", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--size", default="7680x4320", metavar="WxH")
    parser.add_argument("--model", default="standard", metavar="NAME|FILE")
    parser.add_argument("--tiles", type=int, metavar="N")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        frame, out = Path(folder) / "in.exr", Path(folder) / "out.exr"
        made_up(frame, width, height)
        commands = works(frame, [frame, "-o", out, "--model", given.model, "--quiet", "--force"], given.tiles)
        measured = turns.take_turns(given.size, commands, 1)
    print(f"{width * height * 22 / 2**30:.2f} GiB of pixels\n\n{turns.as_markdown(measured)}")
    return 0


def works(frame: Path, words: Sequence[object], tiles: int | None = None) -> dict[str, Work]:
    """`mcdenoise` with these words, its network on so many tiles only, and a process that reads the frame and
    does nothing else."""
    start = ["-m", "mcdenoise"] if tiles is None else ["-c", SPARING.format(tiles=tiles)]
    code = f"import pathlib; from mcdenoise import exr; exr.read_frame(pathlib.Path({str(frame)!r}))"
    commands: dict[str, Sequence[object]] = {
        "denoising": [*start, *words],
        "reading": ["-c", code],
    }
    return {name: partial(turns.process, [sys.executable, *rest]) for name, rest in commands.items()}


def made_up(path: Path, width: int, height: int) -> None:
    """Noise over a ramp, of few values, so that it packs as renders do."""
    chance = np.random.default_rng(0)
    ramp = (
        np.linspace(0.1, 2, width, dtype=np.float32)[None]
        * np.linspace(0.5, 1, height, dtype=np.float32)[:, None]
    )
    names = [*"RGB", "albedo.R", "albedo.G", "albedo.B", "normal.X", "normal.Y", "normal.Z"]
    channels = {
        name: (ramp * chance.integers(1, 9, ramp.shape, np.int8)).astype(np.float16) / 8 for name in names
    }
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    OpenEXR.File(header, {**channels, "depth.Z": ramp}).write(str(path))


if __name__ == "__main__":
    sys.exit(main())
