"""Lights and materials of a Mitsuba scene from a file, changed by chance and given back.

Values alone are changed, never a plugin: they are data to Dr.Jit, so no view compiles a kernel anew.
"""

import colorsys
import re
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

# What is changed of lights, and of each material's knobs; the rest stays as its author made it.
LIGHT_SHARE, MATERIAL_SHARE = 0.7, 0.5
# Decades of radiance; a scene has one exposure per view, so what counts is one light beside the others.
LIGHT_DECADES = (-1.5, 0.7)
ROUGHNESS_LOG = (-1.7, -0.15)
# Of a sun around where it stands, in radians.
SUN_STRAYS = 0.5

_ADDRESS = re.compile(r"object_\d+")

Change = Callable[[Any, np.random.Generator], Any]


class Changes:
    """A scene's changeable values as they were, and how each is changed."""

    def __init__(self, mi: Any, scene: Any) -> None:
        self._parameters = mi.traverse(scene)
        keys = frozenset(self._parameters.keys())
        self._known = {
            key: (*how, _copy(own)) for key, own in self._parameters if (how := _change_of(key, keys))
        }
        self._kinds = {key: _kind(key, own) for key, (_, _, own) in self._known.items()}
        self._changed: set[str] = set()

    def draw(self, chance: np.random.Generator) -> None:
        """Other lights and materials; the same for the same chance, whatever was drawn before."""
        self._restore()
        start = int(chance.integers(2**63))
        for key, (share, change, own) in self._known.items():
            mine = np.random.default_rng([start, self._kinds[key]])
            if mine.uniform() < share:
                self._parameters[key] = change(own, mine)
                self._changed.add(key)
        self._parameters.update()

    def give_back(self) -> None:
        """The lights and materials of the file."""
        self._restore()
        self._parameters.update()

    def _restore(self) -> None:
        for key in sorted(self._changed):
            self._parameters[key] = _copy(self._known[key][2])
        self._changed.clear()


def _copy(value: Any) -> Any:
    """Mitsuba writes into the very value that it gave out."""
    return type(value)(value)


def _kind(key: str, own: Any) -> int:
    """A number that is the same in every run: nameless objects get names, and an order, from addresses.

    So nameless lamps of the same radiance are changed alike.
    """
    return zlib.crc32(
        np.array(getattr(own, "matrix", own)).tobytes(), zlib.crc32(_ADDRESS.sub("", key).encode())
    )


def _change_of(key: str, keys: frozenset[str]) -> tuple[float, Change] | None:
    """The share of views in which the value is another, and how it becomes so; None for all other values."""
    owner, _, name = key.rpartition(".")
    if name in ("scale", "to_world") and {f"{owner}.scale", f"{owner}.to_world", f"{owner}.data"} <= keys:
        return LIGHT_SHARE, _turned if name == "to_world" else _brighter_or_darker  # an environment map
    return next(((share, change) for pattern, share, change in _BY_NAME
                 if re.search(rf"(^|[._]){pattern}$", key)), None)  # fmt: skip


def _brighter_or_darker(own: Any, chance: np.random.Generator) -> Any:
    return own * float(10 ** chance.uniform(*LIGHT_DECADES))


def _other_light(own: Any, chance: np.random.Generator) -> Any:
    """Brighter or darker, warmer or colder: blue moves against red."""
    warmth = float(np.exp(chance.normal(0, 0.25)))
    return _brighter_or_darker(own, chance) * np.array([warmth, 1, 1 / warmth])


def _turned(own: Any, chance: np.random.Generator) -> Any:
    """An environment about the axis on which it stands."""
    return own @ type(own)().rotate([0, 1, 0], float(chance.uniform(0, 360)))


def _other_sun(own: Any, chance: np.random.Generator) -> Any:
    direction = np.ravel(np.array(own)) + chance.normal(0, SUN_STRAYS, 3)
    return [float(part) for part in direction / np.linalg.norm(direction)]


def _other_color(own: Any, chance: np.random.Generator) -> Any:
    """From nearly black to nearly white, more often pale than strong."""
    hue, saturation = chance.uniform(0, 1), chance.uniform(0, 1) ** 2
    color = colorsys.hsv_to_rgb(hue, saturation, chance.uniform(0.03, 0.92))
    return color if np.size(own) == 3 else float(np.mean(color))


def _tinted(own: Any, chance: np.random.Generator) -> Any:
    """A texture with less of one color, darker as a whole: its detail stays."""
    pixels = np.array(own)
    if pixels.shape[-1] == 3:
        pixels = (pixels * chance.uniform(0.4, 1.0, 3)).astype(pixels.dtype)
    return pixels


def _other_roughness(_: Any, chance: np.random.Generator) -> Any:
    return float(10 ** chance.uniform(*ROUGHNESS_LOG))


def _other_share(_: Any, chance: np.random.Generator) -> Any:
    return float(chance.uniform())


_BY_NAME = (
    (r"(radiance|intensity|irradiance)\.value", LIGHT_SHARE, _other_light),
    (r"(sun|sky)_scale", LIGHT_SHARE, _brighter_or_darker),
    (r"sun_direction", LIGHT_SHARE, _other_sun),
    (r"(reflectance|base_color)\.value", MATERIAL_SHARE, _other_color),
    (r"(reflectance|base_color)\.data", MATERIAL_SHARE, _tinted),
    (r"(alpha|alpha_u|alpha_v|roughness)(\.value)?", MATERIAL_SHARE, _other_roughness),
    (r"(metallic|clearcoat|sheen|spec_tint|flatness)\.value", MATERIAL_SHARE, _other_share),
)
