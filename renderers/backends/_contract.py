"""What the harness asks of a renderer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from mcdenoise.frame import Frame


def scene_name(path: Path) -> str:
    """`kitchen` for both `kitchen.xml` and `kitchen/scene_m3.xml`."""
    return path.resolve().parent.name if path.stem.startswith("scene") else path.stem


# Where albedo and normal are taken: what mirrors and glass show, or where the camera's ray ends first.
GUIDES = ("followed", "first")


@dataclass(frozen=True)
class Shot:
    """One render: how many samples, from which seed, through which pixel filter, at which size; and where its
    guides are taken, for renderers that let one choose."""

    spp: int
    seed: int
    filter: str
    width: int
    height: int
    guides: str = GUIDES[0]


@runtime_checkable
class OpenScene(Protocol):
    """A loaded scene; kernels and textures stay alive from view to view."""

    name: str
    renderer: str

    def look(self, view: int, chance: np.random.Generator) -> None:
        """Point the camera: view 0 is the scene's own camera where it has one, others are found by `chance`.

        Raises:
            SceneError: no camera position shows anything.
        """

    def change(self, chance: np.random.Generator | None) -> None:
        """Other lights and materials, by chance; None gives back the scene's own.

        Asked for only where the backend's `CHANGES` says that it can.
        """

    def render(self, shot: Shot) -> Frame:
        """Planes color, albedo, normal, depth of the current view, scene-linear, row 0 on top.

        Same shot, same bytes with a box filter; with a wider one the same to float rounding, since threads
        may add what they splat on a pixel in any order. Another seed, independent noise.

        Raises:
            SceneError: the renderer can't render it.
        """

    def close(self) -> None:
        """Give back what it holds; it isn't used again."""
