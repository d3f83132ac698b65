"""Renders an animated shot with Mitsuba: a camera that walks past what a scene shows.

    python -m benchmarks.shot_mitsuba bathroom/scene_m3.xml -o shots/bathroom [--frames 5] [--spp 8]

Writes noisy.####.exr, each with a seed of its own, and clean.####.exr of `--clean-spp` samples. The camera's
matrix stands in their headers, as OpenEXR's standard attribute worldToNDC. Goes on where it was stopped.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import OpenEXR

from mcdenoise.errors import McdenoiseError
from mcdenoise.frame import Frame
from mcdenoise.layouts import OWN_CHANNELS
from renderers.backends._contract import Shot
from renderers.backends.mitsuba import MitsubaScene

# A step to the right, as a share of the distance to what is ahead, and a turn to the left, in degrees.
STEP, TURN = 0.012, 0.35


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.shot_mitsuba", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("scene", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--frames", type=int, default=5, metavar="N")
    parser.add_argument("--spp", type=int, default=8, metavar="N")
    parser.add_argument("--clean-spp", type=int, default=256, metavar="N")
    parser.add_argument("--size", default="128x96", metavar="WxH")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    arguments.output.mkdir(parents=True, exist_ok=True)
    try:
        scene = MitsubaScene.from_file(arguments.scene)
        for number, (camera, fov) in enumerate(walk(scene, arguments.frames, step=STEP, turn=TURN), 1):
            matrix = world_to_ndc(camera, fov, (height, width))
            for name, spp, seed in (
                ("noisy", arguments.spp, number),
                ("clean", arguments.clean_spp, -number),
            ):
                path = arguments.output / f"{name}.{number:04}.exr"
                if not path.exists():
                    write(path, scene.render(Shot(spp, 1000 + seed, "box", width, height)), matrix)
    except McdenoiseError as error:
        print(f"benchmarks.shot_mitsuba: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def walk(
    scene: MitsubaScene, frames: int, *, step: float, turn: float = 0.0
) -> Iterator[tuple[np.ndarray, float]]:
    """Place the scene's camera for frame after frame; gives its matrix (camera to world) and field of view.

    `step` is to the right, as a share of the distance to what is ahead, `turn` to the left, in degrees.
    """
    own, fov = scene.view
    ahead = float(scene.cast(own[None, :3, 3], own[None, :3, 2])[0][0])
    for number in range(frames):
        camera = own @ _moved(-step * ahead * number, np.radians(turn * number))
        scene.place(camera, fov)
        yield camera, fov


def world_to_ndc(camera: np.ndarray, fov: float, size: tuple[int, int]) -> np.ndarray:
    """OpenEXR's matrix for row vectors, from a camera-to-world matrix (x left, y up, z ahead) for columns and
    the angle in degrees between the picture's left and right: 0 0 is its upper left corner, 1 1 the other."""
    height, width = size
    scale = 0.5 / np.tan(np.radians(fov) / 2)
    to_ndc = np.array([[-scale, 0, 0.5, 0], [0, -scale * width / height, 0.5, 0], [0, 0, 1, 0], [0, 0, 1, 0]])
    return np.asarray((to_ndc @ np.linalg.inv(camera)).T)


def write(path: Path, frame: Frame, matrix: np.ndarray) -> None:
    """A frame with the camera's `worldToNDC`, under our own names."""
    channels = {
        name: np.ascontiguousarray(plane[..., number], np.float32)
        for plane_name, plane in frame.planes.items()
        for number, name in enumerate(OWN_CHANNELS[plane_name])
    }
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage,
              "worldToNDC": np.ascontiguousarray(matrix, np.float32)}  # fmt: skip
    OpenEXR.File(header, channels).write(str(path))


def _moved(right: float, turn: float) -> np.ndarray:
    moved = np.eye(4)
    moved[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    moved[0, 3] = right
    return moved


if __name__ == "__main__":
    sys.exit(main())
