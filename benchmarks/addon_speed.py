"""Time and peak memory of the Blender extension's engines, from a child's start to its end.

    python -m benchmarks.addon_speed build/addon/standard.onnx --size 1920x1080

`make addon` makes the model's file. Seconds want an idle machine; processor seconds are of all its threads.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import large_frame

ADDON = Path(__file__).parent.parent / "blender_addon"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.addon_speed", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("model", type=Path, help="of `mcdenoise export`")
    parser.add_argument("--size", default="1920x1080", metavar="WxH")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "in.exr"
        large_frame.made_up(frame, width, height)
        rows = [row(engine, given.model.resolve(), frame) for engine in ("numpy", "onnxruntime")]
    head = f"| {given.size} | peak, GiB | seconds | processor seconds |"
    print("\n".join([head, "|---|---|---|---|", *rows]))
    return 0


def row(engine: str, model: Path, frame: Path) -> str:
    """Of the table; the child is asked as Blender asks it."""
    frames = [{"source": str(frame), "target": str(frame.with_stem(engine))}]
    request = {"do": "denoise", "engine": engine, "model": str(model), "frames": frames, "options": {}}
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "worker"], cwd=ADDON, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert child.stdin
    child.stdin.write(json.dumps(request).encode() + b"\n")
    child.stdin.flush()
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        return f"| {engine} | failed | | |"
    peak = used.ru_maxrss * 1024 / 2**30
    return f"| {engine} | {peak:.2f} | {seconds:.1f} | {used.ru_utime + used.ru_stime:.1f} |"


if __name__ == "__main__":
    sys.exit(main())
