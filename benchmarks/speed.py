"""Seconds of ours beside OIDN's, on the same frame in the same run, taking turns: A B A B ...

    python -m benchmarks.speed examples/frame.exr --model mcdenoise/weights/standard.safetensors

Two clocks. *frame*: arrays in, arrays out, everything loaded and warm. *process*: from exec to exit, our
`mcdenoise FRAME.exr -o OUT.exr` (EXR in and out) and OIDN's own `oidnDenoise` (PFM in and out).
OIDN gets color, noisy albedo and normal. Prints the table; writes OUT/speed.md and OUT/speed.json.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyoidn

from benchmarks import origin, peers
from benchmarks.origin import Origin
from mcdenoise import exr
from mcdenoise.errors import McdenoiseError, UsageError
from mcdenoise.frame import Frame, Plane

OIDN_DENOISE = Path(pyoidn.__file__).parent / "oidn" / "bin" / "oidnDenoise"
OURS = "ours"

Work = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """One contender on one clock: `seconds` in the order they were taken, turn by turn."""

    clock: str
    contender: str
    seconds: tuple[float, ...]
    to_ours: tuple[float, ...]  # ours over this one, turn by turn; below 1 ours is faster

    @property
    def median(self) -> float:
        """Median seconds."""
        return statistics.median(self.seconds)


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
    """Both clocks, one after the other.

    Raises:
        UsageError: no rounds are asked for, or the frame has no albedo or normal for OIDN.
    """
    if arguments.pairs < 1:
        raise UsageError(f"--pairs {arguments.pairs}: nothing to time; give 1 or more")
    frame = fit(exr.read_frame(arguments.frame), arguments.size)
    if not {"albedo", "normal"} <= frame.planes.keys():
        raise UsageError(f"{arguments.frame}: no albedo and normal; OIDN runs with guides here")
    timings = take_turns("frame", _frame_clock(frame, arguments), arguments.pairs)
    with tempfile.TemporaryDirectory() as folder:
        return timings + take_turns(
            "process", _process_clock(frame, arguments, Path(folder)), arguments.pairs
        )


def take_turns(clock: str, contenders: Mapping[str, Work], pairs: int) -> list[Timing]:
    """Run each contender once to warm up, then `pairs` rounds of all of them in turn."""
    for work in contenders.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _, (name, work) in itertools.product(range(pairs), contenders.items()):
        start = time.perf_counter()
        work()
        seconds[name].append(time.perf_counter() - start)
    return [
        Timing(clock, name, tuple(own), tuple(o / t for o, t in zip(seconds[OURS], own, strict=True)))
        for name, own in seconds.items()
    ]


def fit(frame: Frame, size: tuple[int, int]) -> Frame:
    """The frame repeated (mirrored at its edges) and cut to `size`, width and height in pixels."""
    width, height = size
    return Frame(
        {name: _tiled(plane, height, width) for name, plane in frame.planes.items()}, frame.attributes
    )


def as_markdown(timings: list[Timing], size: tuple[int, int], where: Origin) -> str:
    """The table: median seconds with their spread, and ours over each."""
    rows = [f"# Speed at {size[0]}x{size[1]}\n", origin.as_markdown(where),
            "| clock | contender | median s | least .. most s | ours / this, median | least .. most |",
            "|---|---|---|---|---|---|"]  # fmt: skip
    return "\n".join([*rows, *map(_row, timings)]) + "\n"


def write_pfm(path: Path, image: Plane) -> None:
    """Color PFM, little-endian, the lowest row first: what `oidnDenoise` reads."""
    height, width = image.shape[:2]
    with path.open("wb") as file:
        file.write(f"PF\n{width} {height}\n-1.0\n".encode())
        file.write(np.ascontiguousarray(image[::-1], dtype="<f4").tobytes())


def _row(timing: Timing) -> str:
    seconds, ratios = timing.seconds, timing.to_ours
    return (
        f"| {timing.clock} | {timing.contender} | {timing.median:.3f}"
        f" | {min(seconds):.3f} .. {max(seconds):.3f}"
        f" | {statistics.median(ratios):.2f} | {min(ratios):.2f} .. {max(ratios):.2f} |"
    )


def _frame_clock(frame: Frame, arguments: argparse.Namespace) -> dict[str, Work]:
    from mcdenoise import Denoiser

    denoiser = Denoiser(arguments.model, device=arguments.device)
    contenders: dict[str, Work] = {OURS: partial(denoiser, frame)}
    for quality in peers.QUALITIES:
        contenders[f"OIDN {quality}"] = partial(peers.noisy_guides, frame, quality=quality)
    return contenders


def _process_clock(frame: Frame, arguments: argparse.Namespace, folder: Path) -> dict[str, Work]:
    exr.write_frame(folder / "frame.exr", frame)
    for name in ("color", "albedo", "normal"):
        write_pfm(folder / f"{name}.pfm", frame.planes[name])
    ours = [sys.executable, "-m", "mcdenoise", folder / "frame.exr", "-o", folder / "out.exr", "--force",
            "--quiet", "--model", arguments.model.absolute(), "--device", arguments.device]  # fmt: skip
    theirs = [OIDN_DENOISE, "--hdr", folder / "color.pfm", "--alb", folder / "albedo.pfm",
              "--nrm", folder / "normal.pfm", "-o", folder / "out.pfm", "-d", "cpu", "-q"]  # fmt: skip
    contenders: dict[str, Work] = {OURS: partial(_execute, ours)}
    for quality in peers.QUALITIES:
        contenders[f"oidnDenoise {quality}"] = partial(_execute, [*theirs, quality])
    return contenders


def _execute(command: list[object]) -> None:
    """Run a command to its end.

    Raises:
        PeerError: it failed; the message ends with what it said last.
    """
    words = [str(word) for word in command]
    told = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - ours and OIDN's
    if told.returncode != 0:
        said = (told.stderr or told.stdout).strip().splitlines() or ["nothing"]
        raise peers.PeerError(f"{command[0]}: failed with exit code {told.returncode}, saying: {said[-1]}")


def _tiled(plane: Plane, height: int, width: int) -> Plane:
    pad = [(0, max(0, want - have)) for want, have in zip((height, width), plane.shape, strict=False)]
    return np.ascontiguousarray(np.pad(plane, [*pad, (0, 0)], mode="symmetric")[:height, :width])


def _size(text: str) -> tuple[int, int]:
    width, height = (int(side) for side in text.split("x"))
    return width, height


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.speed", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("frame", type=Path, metavar="FRAME.exr", help="a real frame with albedo and normal")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--device", default="cpu", help="of ours; OIDN runs on the CPU (default: cpu)")
    parser.add_argument(
        "--size", type=_size, default=(1920, 1080), metavar="WxH", help="(default: 1920x1080)"
    )
    parser.add_argument("--pairs", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--out", type=Path, default=Path("runs/speed"), help="(default: runs/speed)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
