# SPDX-License-Identifier: GPL-3.0-or-later
"""Which channels of a file are what: every view layer and every stereo view that Cycles or EEVEE rendered.

Names are read from the right, since a layer's own may hold dots: `My.Layer.Noisy Image.left.R`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .exr_file import Part

COMBINED, NOISY = "Combined", "Noisy Image"
GUIDES = {
    "Denoising Albedo": ("albedo", "RGB"),
    "Denoising Normal": ("normal", "XYZ"),
    "Denoising Depth": ("depth", "Z"),
}
_PASSES = "|".join(map(re.escape, (COMBINED, NOISY, *GUIDES)))
_CHANNEL = re.compile(
    rf"(?:(?P<layer>.+)\.)?(?P<pass>{_PASSES})(?:\.(?P<view>[^.]+))?\.(?P<channel>[A-Za-z])"
)
# Blender's compositor made it of the layers: no render.
COMPOSITE = "Composite"

# The part's number and the channel's name.
Place = tuple[int, str]


@dataclass(frozen=True)
class Layer:
    """A view layer in one view: the places of each pass' channels by their letters."""

    name: str
    view: str
    passes: Mapping[str, Mapping[str, Place]]

    @property
    def color(self) -> list[Place]:
        """The noisy R, G and B: `Combined` is OIDN's result where a noisy image is beside it."""
        return self._places(NOISY if self._has(NOISY, "RGB") else COMBINED, "RGB")

    @property
    def target(self) -> list[Place]:
        """R, G and B that are replaced."""
        return self._places(COMBINED, "RGB")

    @property
    def alpha(self) -> Place | None:
        """Where nothing was hit, it is 0."""
        return self.passes[COMBINED].get("A")

    @property
    def guides(self) -> dict[str, list[Place]]:
        """Those that were stored, by the network's names."""
        return {
            name: self._places(stored, letters)
            for stored, (name, letters) in GUIDES.items()
            if self._has(stored, letters)
        }

    def _has(self, stored: str, letters: str) -> bool:
        return set(letters) <= self.passes.get(stored, {}).keys()

    def _places(self, stored: str, letters: str) -> list[Place]:
        return [self.passes[stored][letter] for letter in letters]


def find(parts: Sequence[Part]) -> list[Layer]:
    """The layers with a color, in the file's order."""
    passes: dict[tuple[str, str], dict[str, dict[str, Place]]] = {}
    for number, part in enumerate(parts):
        for channel in part.channels:
            if match := _CHANNEL.fullmatch(channel) or re.fullmatch(r"(?P<channel>[RGBA])", channel):
                found = {"layer": "", "view": "", "pass": COMBINED, **match.groupdict("")}
                of_layer = passes.setdefault((found["layer"], found["view"] or part.text("view")), {})
                of_layer.setdefault(found["pass"], {}).setdefault(found["channel"], (number, channel))
    named = [Layer(name, view, mine) for (name, view), mine in passes.items() if name != COMPOSITE]
    return [layer for layer in named if layer._has(COMBINED, "RGB")]
