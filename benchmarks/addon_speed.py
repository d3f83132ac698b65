"""Time and peak memory of the Blender extension's engines, from a child's start to its end.

    python -m benchmarks.addon_speed build/addon/standard.onnx --size 1920x1080

`make addon` makes the model's file. Seconds want an idle machine; processor seconds are of all its threads.
"""

import argparse
import json
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks import large_frame, turns
from benchmarks.turns import PeerError, Used, Work

ADDON = Path(__file__).parent.parent / "blender_addon"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.addon_speed", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("model", type=Path, help="of `mcdenoise export`")
    parser.add_argument("--size", default="1920x1080", metavar="WxH")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "in.exr"
        large_frame.made_up(frame, width, height)
        measured = turns.take_turns(given.size, contenders(given.model.resolve(), frame), given.rounds)
    print(turns.as_markdown(measured))
    return 0


def contenders(model: Path, frame: Path) -> dict[str, Work]:
    """The engines, with a model of `mcdenoise export`."""
    return {engine: partial(child, engine, model, frame) for engine in ("onnxruntime", "numpy")}


def child(engine: str, model: Path, frame: Path) -> Used:
    """The child, asked as Blender asks it; its result lies beside the frame.

    Raises:
        PeerError: it failed.
    """
    target = frame.with_stem(engine)
    target.unlink(missing_ok=True)
    frames = [{"source": str(frame), "target": str(target)}]
    request = {"do": "denoise", "engine": engine, "model": str(model), "frames": frames, "options": {}}
    used = turns.process(
        [sys.executable, "-m", "worker"], given=json.dumps(request).encode() + b"\n", cwd=ADDON
    )
    if not target.exists():
        raise PeerError(f"{engine}: wrote nothing; is it installed?")
    return used


if __name__ == "__main__":
    sys.exit(main())
