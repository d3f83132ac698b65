"""Made-up places, each from a number: rooms, halls, streets, tables in the open, studios, hilly ground.

The same number gives the same scene for ever: chance comes from numpy's PCG64 seeded with it.
"""

from pathlib import Path

import numpy as np

from renderers.backends.mitsuba import MitsubaScene
from renderers.scenes import _interiors, _loading, _outdoors
from renderers.scenes._place import Builder, Place

VERSION = 5
# Scenes from this number on are for validation; training stays below.
FIRST_VALIDATION = 900_000
LAYOUTS = (
    *[_interiors.room] * 7, *[_interiors.hall] * 2, *[_outdoors.table] * 2, *[_outdoors.street] * 2,
    _outdoors.studio, _outdoors.studio, _outdoors.hills)  # fmt: skip


def scene_name(number: int) -> str:
    """A name that holds the generator's version, since a new one gives other scenes."""
    return f"made{VERSION}-{number:06d}"


def describe(number: int, environments: Path | None = None) -> Place:
    """Scene `number` as data; with `environments`, some of those under open sky take a map out of it."""
    chance = np.random.default_rng([VERSION, number])
    layout = LAYOUTS[int(chance.integers(len(LAYOUTS)))]
    return layout(Builder(chance, environments))


def open_scene(number: int, environments: Path | None) -> MitsubaScene:
    """Build scene `number`.

    Raises:
        ExrError: an environment map can't be read.
    """
    place = describe(number, environments)
    return MitsubaScene.from_choice(
        _loading.load(place), scene_name(number), place.cameras, has_lens=place.has_lens
    )
