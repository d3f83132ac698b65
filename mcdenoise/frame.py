"""The one picture type that passes everywhere: named float32 planes and metadata."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from mcdenoise.errors import FrameError

Plane = Float32[np.ndarray, "h w c"]
Layer = Float32[np.ndarray, "h w _"]  # three channels of light, or one that is mixed as it is
Attribute = str | int | float

# Every plane that means something to us, with its channel count. `color` is scene-linear radiance; the
# others are guides: `albedo` reflectance (0..1), `normal` shading normal (-1..1), `depth` distance along
# the ray in scene units (0 where the ray misses).
PLANES = {"color": 3, "albedo": 3, "normal": 3, "depth": 1}
GUIDES = tuple(name for name in PLANES if name != "color")
# What is done to whole planes is done to so many pixels at a time: its temporaries take some 50 MB.
STRIP = 2**21


@dataclass(frozen=True)
class Frame:
    """One picture: planes of one size, row 0 on top, and what is known about them.

    `layers` go through the color's filter: parts of the color's light, scene-linear (h w 3), and what is
    mixed as it is, alpha (h w 1).

    Raises:
        FrameError: planes differ in size, have the wrong number of channels, or there is no `color`.
    """

    planes: Mapping[str, Plane]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    layers: Mapping[str, Layer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if "color" not in self.planes:
            raise FrameError(f"frame has no plane 'color'; it has: {', '.join(self.planes) or 'none'}")
        for name, plane in self.planes.items():
            if plane.shape != (*self.size, PLANES.get(name, plane.shape[-1])):
                raise FrameError(f"plane {name!r} is {plane.shape}, color is {self.planes['color'].shape}")
        for name, plane in self.layers.items():
            if plane.shape[:2] != self.size or plane.shape[2] not in (1, 3):
                raise FrameError(f"layer {name!r} is {plane.shape}, color is {self.planes['color'].shape}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.planes["color"].shape[:2]
        return height, width

    @property
    def color(self) -> Plane:
        """Scene-linear radiance, h w 3."""
        return self.planes["color"]


def strips(height: int, width: int, *, multiple: int = 1) -> list[slice]:
    """A picture's rows cut into strips of about `STRIP` pixels; each starts on a `multiple`."""
    rows = max(STRIP // max(width, 1) // multiple, 1) * multiple
    return [slice(start, min(start + rows, height)) for start in range(0, height, rows)]
