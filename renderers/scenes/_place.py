"""A made-up scene as data: its parts, lights and cameras. Nothing here needs a renderer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from renderers.scenes import _lights, _media
from renderers.scenes._furniture import Thing
from renderers.scenes._lights import Light
from renderers.scenes._materials import Material, Materials
from renderers.scenes._media import Filling
from renderers.scenes._meshes import Mesh, Number, Vector, join, quad

PAINTS, OTHERS, PRINTS = 5, 7, 3
# Stops: how much all the light of a scene is turned up or down.
DARKEST, BRIGHTEST = -3.0, 3.0
LENS_SHARE = 0.3
# What the eye sees, and from where: camera to world (4 4), field of view in degrees.
Camera = tuple[np.ndarray, float]

_SHINING = Material("lamp", {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.0}})


@dataclass(frozen=True)
class Part:
    """A mesh of one material, which may shine or be filled."""

    mesh: Mesh
    material: Material
    light: Light | None = None
    filling: Filling | None = None


@dataclass(frozen=True)
class Place:
    """All of a scene. The first of `cameras` from which there is something to see is its own."""

    kind: str
    parts: tuple[Part, ...]
    # Without those that a part shines with.
    lights: tuple[Light, ...]
    cameras: tuple[Camera, ...]
    has_lens: bool

    @property
    def all_lights(self) -> tuple[Light, ...]:
        """Those of its parts too."""
        return (*self.lights, *(part.light for part in self.parts if part.light))


class Builder:
    """Gathers the parts of one place, one mesh per material: each further one costs compiling."""

    def __init__(self, chance: np.random.Generator, environments: Path | None) -> None:
        self.chance = chance
        self._environments = environments
        self.exposure = 2 ** chance.uniform(DARKEST, BRIGHTEST)
        self._has_lens = chance.uniform() < LENS_SHARE
        materials = Materials(chance)
        # Paints for what is large, and anything for the rest; a place shares them out among all its things.
        self._paints = [materials.opaque() for _ in range(PAINTS)]
        self._any = [*self._paints, *(materials.any() for _ in range(OTHERS))]
        self._dark = materials.dark()
        self._prints = [materials.print() for _ in range(PRINTS)]
        self._foliage, self._pane = materials.foliage(), Material("pane", materials.pane())
        self._meshes: dict[int, tuple[Material, list[Mesh]]] = {}
        self._parts: list[Part] = []
        self._lights: list[Light] = []

    def place(self, kind: str, cameras: Sequence[Camera]) -> Place:
        """All that was gathered."""
        surfaces = [Part(join(meshes), material) for material, meshes in self._meshes.values()]
        return Place(kind, (*surfaces, *self._parts), tuple(self._lights), tuple(cameras), self._has_lens)

    def paint(self) -> Material:
        """An opaque material."""
        return self._pick(self._paints)

    def any(self) -> Material:
        """Any material but leaves and prints."""
        return self._pick(self._any)

    def detail(self) -> Material:
        """A paint, or as often the dark material."""
        return self.paint() if self.chance.uniform() < 0.5 else self._dark

    def print(self) -> Material:
        """A photograph or text."""
        return self._pick(self._prints)

    def add(self, mesh: Mesh, material: Material) -> None:
        """A mesh that neither shines nor is filled."""
        self._meshes.setdefault(id(material), (material, []))[1].append(mesh)

    def put(self, thing: Thing, place: Vector) -> None:
        """A thing, in materials that suit its roles."""
        by_role = {"leaf": lambda: self._foliage, "pane": lambda: self._pane if self.chance.uniform() < 0.5
                   else self.any(), "print": self.print, "cloth": self.paint}  # fmt: skip
        for role, mesh in thing.items():
            name = role.rstrip("0123456789")
            if name == "light":
                self.shine("bulb", mesh.moved(place), power=10 ** self.chance.uniform(0, 1.3))
            else:
                self.add(mesh.moved(place), by_role.get(name, self.any)())

    def shine(self, kind: str, mesh: Mesh, *, power: Number) -> None:
        """A mesh that shines evenly with so much power in all."""
        light = _lights.area(kind, mesh, self.exposure * power, self.chance)
        self._parts.append(Part(mesh, _SHINING, light))

    def screen(self, mesh: Mesh, brightness: Number) -> None:
        """A mesh that shines with a picture."""
        self._parts.append(Part(mesh, _SHINING, _lights.screen(self.exposure * brightness, self.chance)))

    def fill(self, mesh: Mesh) -> None:
        """A closed mesh with smoke, milk or juice in it."""
        filling = _media.filling(float(np.ptp(mesh.vertices, axis=0).min()), self.chance)
        self._parts.append(Part(mesh, filling.surface, filling=filling))

    def spot(self, place: np.ndarray, target: np.ndarray, *, power: Number) -> None:
        """A spot light, itself unseen."""
        self._lights.append(_lights.spot(place, target, self.exposure * power, self.chance))

    def open_sky(self, brightness: Number) -> None:
        """A sky, made up or photographed, or sun and sky; and the ground below it to the horizon."""
        self.add(quad((-200, -0.3, 200), (400, 0, 0), (0, 0, -400)).tiled(200), self.paint())
        # Chance of its own: with or without photographs, all the rest of the place is the same.
        chance = np.random.default_rng(int(self.chance.integers(2**62)))
        share = chance.uniform()
        if self._environments and share < 0.4:
            light = _lights.photographed(self._environments, self.exposure * brightness, chance)
        else:
            light = (_lights.sky if share < 0.75 else _lights.sun_and_sky)(self.exposure * brightness, chance)
        self._lights.append(light)

    def studio_walls(self, brightness: Number) -> None:
        """Softboxes far away."""
        self._lights.append(_lights.softboxes(self.exposure * brightness, self.chance))

    def _pick(self, materials: list[Material]) -> Material:
        return materials[int(self.chance.integers(len(materials)))]
