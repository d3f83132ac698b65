"""Lights as Mitsuba 3 plugin dictionaries. Brightness 1 is that of an evenly lit overcast sky."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from renderers.cameras import look_at
from renderers.scenes import _environments, _pictures, _textures
from renderers.scenes._materials import Plugin
from renderers.scenes._meshes import Mesh, Number
from renderers.scenes._pictures import Picture

# `sunsky` gives radiance in units of its own: about a third of ours.
SUN_SKY = 3.0
UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Light:
    """What shines, and what to call it."""

    kind: str
    plugin: Plugin


def area(kind: str, mesh: Mesh, power: Number, chance: np.random.Generator) -> Light:
    """The mesh shines evenly: the smaller, the brighter, in a colour from candle to daylight."""
    warmth = np.array([1.0, chance.uniform(0.6, 1.0), chance.uniform(0.3, 1.1)])
    if chance.uniform() < 0.1:  # neon
        warmth = chance.uniform(0.05, 1, 3)
    radiance = warmth * power / mesh.area
    return Light(kind, {"type": "area", "radiance": {"type": "rgb", "value": radiance.tolist()}})


def screen(brightness: Number, chance: np.random.Generator) -> Light:
    """A picture that shines: a television, a neon sign, a stained window."""
    shown = _pictures.pick(_textures.PRINTS, chance)

    def draw(chance: np.random.Generator) -> np.ndarray:
        return brightness * shown.draw(chance)

    draw.__name__ = shown.kind
    bitmap = {"type": "bitmap", "bitmap": Picture(draw, shown.seed), "raw": True}
    return Light("screen", {"type": "area", "radiance": bitmap})


def spot(place: np.ndarray, target: np.ndarray, power: Number, chance: np.random.Generator) -> Light:
    """A point that shines into a cone, with a sharp or a soft edge."""
    cone = float(chance.uniform(12, 50))
    warmth = np.array([1.0, chance.uniform(0.6, 1.0), chance.uniform(0.3, 1.1)])
    up = UP if abs(target - place)[[0, 2]].max() > 1e-3 else np.array([0.0, 0.0, 1.0])
    return Light("spot", {"type": "spot", "to_world": look_at(place, target, up), "cutoff_angle": cone,
                          "beam_width": cone * float(chance.uniform(0.3, 0.95)),
                          "intensity": {"type": "rgb", "value": (warmth * power).tolist()}})  # fmt: skip


def sun_and_sky(brightness: Number, chance: np.random.Generator) -> Light:
    """A clear sky of the hour and the haze, with its sun."""
    height, angle = np.radians(chance.uniform(4, 85)), chance.uniform(0, 2 * np.pi)
    flat = np.cos(height)
    sun = [float(flat * np.cos(angle)), float(np.sin(height)), float(flat * np.sin(angle))]
    upright = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64)  # z up to y up
    scale = float(SUN_SKY * brightness)
    return Light("sun and sky", {"type": "sunsky", "sun_direction": sun, "to_world": upright,
                                 "turbidity": float(chance.uniform(2, 8)), "sun_scale": scale,
                                 "sky_scale": scale})  # fmt: skip


def sky(brightness: Number, chance: np.random.Generator) -> Light:
    """A made-up sky."""
    return _dome("sky", _pictures.pick((_environments.sky,), chance), brightness, chance)


def softboxes(brightness: Number, chance: np.random.Generator) -> Light:
    """A dark studio with bright rectangles."""
    return _dome("softboxes", _pictures.pick((_environments.softboxes,), chance), brightness, chance)


def photographed(folder: Path, brightness: Number, chance: np.random.Generator) -> Light:
    """One of the environment maps in `folder`."""
    maps = sorted(folder.glob("*.exr"))
    path = maps[int(chance.integers(len(maps)))]

    def draw(chance: np.random.Generator) -> np.ndarray:  # noqa: ARG001 - it is as it is
        return _environments.read(path)

    draw.__name__ = path.stem
    return _dome("map", Picture(draw, 0), brightness, chance)


def _dome(kind: str, picture: Picture, brightness: Number, chance: np.random.Generator) -> Light:
    angle = chance.uniform(0, 2 * np.pi)
    turn = look_at(np.zeros(3), np.array([np.sin(angle), 0, np.cos(angle)]), UP)
    return Light(kind, {"type": "envmap", "bitmap": picture, "scale": float(brightness), "to_world": turn})
