"""What reading and writing EXR costs beside copies by other programs.

    python -m benchmarks.exr_speed [FILE.exr ...] [--rounds 5]

Taking turns in one run: *copy* is our copy of an untouched file, *decode* what a frame's planes need, *write*
a file whose color changed; *binding* is OpenEXR's own Python binding reading everything and writing it again,
*oiiotool* the program `oiiotool FILE -o OUT` (OpenImageIO), with its start. Without files, one of 1920x1080
with 22 channels is made.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenEXR

from benchmarks import turns
from mcdenoise import exr


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.exr_speed", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.exr")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = given.files or [
            made_up(Path(folder) / "one-part.exr", several=False),
            made_up(Path(folder) / "part-per-layer.exr", several=True),
        ]
        for path in files:
            title = f"{path.name}, {path.stat().st_size / 2**20:.0f} MiB"
            measured = turns.take_turns(title, works(path, Path(folder) / "out.exr"), given.rounds)
            print(turns.as_markdown(measured))
    return 0


def made_up(path: Path, *, several: bool, size: tuple[int, int] = (1080, 1920)) -> Path:
    """A frame with albedo, normal, depth and four lights, half and float, ZIP."""
    chance = np.random.default_rng(0)
    height, width = size
    smooth = np.linspace(0, 1, width, dtype=np.float32) * np.linspace(1, 2, height, dtype=np.float32)[:, None]
    layers = {"": "RGB", "albedo": "RGB", "N": "XYZ", "depth": "Z", **{f"light_{i}": "RGB" for i in range(4)}}
    parts = []
    for layer, lasts in layers.items():
        kind = np.float16 if layer in ("albedo", "N") else np.float32
        names = [f"{layer}.{last}" if layer else last for last in lasts]
        planes = {n: (smooth + chance.random(smooth.shape, np.float32) / 8).astype(kind) for n in names}
        parts.append((layer or "rgb", planes))
    if not several:
        parts = [("", {name: plane for _, planes in parts for name, plane in planes.items()})]
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    OpenEXR.File([OpenEXR.Part(dict(header), planes, name) for name, planes in parts]).write(str(path))
    return path


def works(path: Path, out: Path) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    found: dict[str, Callable[[], object]] = {
        "ours: copy": lambda: exr.write(out, exr.read(path), {}),
        "ours: decode": lambda: exr.read_frame(path),
        "ours: decode, write with new color": lambda: _with_new_color(path, out),
        "binding: read and write all": lambda: OpenEXR.File(str(path), separate_channels=True).write(
            str(out)
        ),
    }
    tool = shutil.which("oiiotool", path=str(Path(sys.executable).parent)) or shutil.which("oiiotool")
    if tool:
        command = [tool, str(path), "-o", str(out)]
        if len(exr.read(path).parts) > 1:
            command = [tool, "-a", str(path), "--siappendall", "-o", str(out)]
        found["oiiotool"] = lambda: subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - ours
    return found


def _with_new_color(path: Path, out: Path) -> None:
    picture = exr.read(path)
    layout = picture.layout()
    color = exr.frame(picture, layout).color
    exr.write(out, picture, exr.replaced({layout.planes["color"]: color / 2}, {}))


if __name__ == "__main__":
    sys.exit(main())
