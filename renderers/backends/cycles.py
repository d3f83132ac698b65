"""Cycles: scenes from .blend files, rendered by a Blender that runs as a child process."""

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mcdenoise import exr
from mcdenoise.errors import NoInputError, SceneError
from mcdenoise.frame import PLANES, Frame
from renderers import cameras
from renderers.backends._blender import Child
from renderers.backends._contract import Shot, scene_name

SUFFIXES = (".blend",)
CHANGES = False
# Our names, and Cycles' own. Blender's default is the last one.
FILTERS = {"box": "BOX", "gaussian": "GAUSSIAN", "blackman-harris": "BLACKMAN_HARRIS"}
# So many frames of an animation become views, spread over it; neighbours would be nearly alike.
MOST_FRAMES = 16
# Blender's cameras look along -z with x to the right, ours along z with x to the left.
TURN = np.diag([-1.0, 1.0, -1.0, 1.0])
# Blender 5.2 puts the background some 1e37 away.
FARTHEST = 1e10


@dataclass(frozen=True)
class Facts:
    """What an open file has."""

    version: str
    other_cameras: list[str]
    frame: int
    first_frame: int
    last_frame: int


class CyclesScene:
    """A .blend in a Blender of its own, which is started anew if it crashed in an earlier view.

    Raises:
        UsageError: there is no Blender.
        SceneError: Blender can't open the file, or it has no camera.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.name = path, scene_name(path)
        self._child = Child(path)
        try:
            self._facts = Facts(**self._child.ask("open"))
        except BaseException:
            self.close()
            raise
        self.renderer = f"cycles {self._facts.version} cpu"

    def look(self, view: int, chance: np.random.Generator) -> None:
        """See `OpenScene.look`: after the own camera the file's others, then other frames, then chance."""
        if not self._child.is_alive:
            self._child = Child(self._path)
        facts, others = self._facts, len(self._facts.other_cameras)
        if view <= others:
            self._take(facts.frame, ["", *facts.other_cameras][view])
        elif view - others <= len(self._frames):
            self._take(self._frames[view - others - 1])
        else:
            self._find(int(chance.choice([facts.frame, *self._frames])), chance, view)

    def change(self, chance: np.random.Generator | None) -> None:
        """See `OpenScene.change`: never asked to, since `CHANGES` says no."""

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances (n, inf where nothing is hit) and normals (n 3) of rays in world space."""
        hits = self._child.ask("cast", origins=origins.tolist(), directions=directions.tolist())
        found = np.array(hits, np.float32).reshape(-1, 4)
        return found[:, 0], found[:, 1:]

    def render(self, shot: Shot) -> Frame:
        """See `OpenScene.render`. The guides come as a Blender user's frames have them."""
        with tempfile.TemporaryDirectory(prefix="mcdenoise-") as folder:
            path = Path(folder) / "render.exr"
            self._child.ask("render", path=str(path), spp=shot.spp, seed=shot.seed,
                            pixel_filter=FILTERS[shot.filter], size=[shot.width, shot.height])  # fmt: skip
            return _frame(exr.read_frame(path), self._path)

    def close(self) -> None:
        """See `OpenScene.close`: Blender ends."""
        self._child.close()

    @cached_property
    def _frames(self) -> list[int]:
        """Frames of the animation that show something else than the current one, far-apart ones first."""
        first, last = self._facts.first_frame, self._facts.last_frame
        spread = np.unique(np.linspace(first, last, MOST_FRAMES).round().astype(int))
        mixed = np.random.default_rng(0).permutation(spread).tolist()
        return [int(frame) for frame in self._child.ask("moving", frames=mixed)]

    def _take(self, frame: int, camera: str = "") -> Any:
        return self._child.ask("look", frame=frame, camera=camera)

    def _find(self, frame: int, chance: np.random.Generator, view: int) -> None:
        """Move a copy of the camera to where it sees enough of the scene."""
        own = self._take(frame)
        camera = np.array(own["matrix"]).reshape(4, 4) @ TURN
        camera[:3, :3] /= np.linalg.norm(camera[:3, :3], axis=0)
        matrix, fov = cameras.find(self.cast, camera, own["fov"], chance, where=f"{self.name}, view {view}")
        self._child.ask("move", matrix=(matrix @ TURN).ravel().tolist(), fov=fov)


def open_file(path: Path) -> CyclesScene:
    """Open a .blend file.

    Raises:
        NoInputError: no such file.
        UsageError, SceneError: see `CyclesScene`.
    """
    if not path.is_file():
        raise NoInputError(f"{path}: no such scene file; give a .blend file")
    return CyclesScene(path)


def _frame(read: Frame, path: Path) -> Frame:
    """What Blender wrote, with albedo within 0..1, nothing infinitely far, and negative radiance clamped.

    Cycles' albedo holds emission too (measured: up to 61 on a lamp). The normal stays as Blender writes it,
    in camera space with z flipped, since frames to denoise come with the same.
    """
    if missing := PLANES.keys() - read.planes.keys():
        raise SceneError(f"{path}: Blender wrote no {', '.join(sorted(missing))}; use Blender 4.2 or newer")
    depth = read.planes["depth"]
    return Frame({
        "color": np.maximum(read.color, 0.0),
        "albedo": np.clip(read.planes["albedo"], 0.0, 1.0),
        "normal": np.clip(read.planes["normal"], -1.0, 1.0),
        "depth": np.where(depth > FARTHEST, np.float32(0), np.maximum(depth, 0.0)),
    })  # fmt: skip
