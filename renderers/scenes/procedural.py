"""Made-up places, each from a number: rooms, tables in the open, studios, hilly ground.

The same number gives the same scene for ever: chance comes from numpy's PCG64 seeded with it.
"""

from pathlib import Path
from typing import Any

import numpy as np

from renderers.backends._variant import start
from renderers.backends.mitsuba import MitsubaScene
from renderers.cameras import look_at
from renderers.scenes import _environments
from renderers.scenes._buildings import backdrop, blinds, window_wall
from renderers.scenes._furniture import Thing, ornament, thin_thing, thing
from renderers.scenes._materials import Materials, Plugin
from renderers.scenes._meshes import Mesh, box, join, normals, quad, terrain

VERSION = 2
# Scenes from this number on are for validation; training stays below.
FIRST_VALIDATION = 900_000


def scene_name(number: int) -> str:
    """A name that holds the generator's version, since a new one gives other scenes."""
    return f"made{VERSION}-{number:06d}"


def open_scene(number: int, environments: Path | None) -> MitsubaScene:
    """Build scene `number`; a third of those under open sky take a map out of `environments`.

    Raises:
        ExrError: an environment map can't be read.
    """
    place = _Place(number, environments)
    places = [*[place.room] * 4, *[place.table_outdoors] * 2, place.studio, place.hills]
    camera, fov = places[int(place.chance.integers(len(places)))]()
    return MitsubaScene(place.build(), scene_name(number), camera, fov)


PAINTS, OTHERS = 5, 7


class _Place:
    """Gathers the parts of one scene."""

    def __init__(self, number: int, environments: Path | None) -> None:
        self._mi = start()
        self.chance = np.random.default_rng([VERSION, number])
        self._environments = environments
        materials = Materials(self.chance, self._bitmap)
        # Paints for what is large, and anything for the rest; a scene shares them out among all its things.
        self._palette = [materials.opaque() for _ in range(PAINTS)] + [materials.any() for _ in range(OTHERS)]
        self._palette.append(materials.dark())
        self._meshes: list[list[Mesh]] = [[] for _ in self._palette]
        self._parts: dict[str, Any] = {"type": "scene"}

    def build(self) -> Any:
        """The scene, loaded: one mesh per material, as each further one costs 0.1 to 0.2 s of compiling."""
        for number, meshes in enumerate(self._meshes):
            if meshes:
                self._add_part(join(meshes), self._palette[number])
        return self._mi.load_dict(self._parts)

    def room(self) -> tuple[np.ndarray, float]:
        """Four walls, a window or two, furniture, lamps, pictures."""
        u = self.chance.uniform
        width, depth, height = u(3, 8), u(3, 8), u(2.4, 3.6)
        self._walls(width, depth, height)
        wall, bars = window_wall(width, depth, height, self.chance)
        self._add(wall, self._paint())
        self._add(bars, self._detail())
        if u() < 0.35:
            self._add(blinds(width, depth, height, u(0, 70)), self._detail())
        for _ in range(int(self.chance.integers(0, 4))):
            self._place(thin_thing(self.chance), (u(-0.46, -0.3) * width, u(0, 0.6), u(-0.4, 0.4) * depth))
        self._environment(u(0.5, 8))
        for _ in range(int(self.chance.integers(0, 3))):
            self._panel_lamp(width, depth, height)
        for _ in range(int(self.chance.integers(4, 10))):
            place = (u(-0.42, 0.42) * width, 0.0, u(-0.42, 0.3) * depth)
            self._place(thing(self.chance), place)
        self._pictures(width, depth, height)
        if u() < 0.4:  # towards the window
            eye = np.array([u(0.2, 0.44) * width, u(0.8, 1.7), u(-0.3, 0.4) * depth])
            target = np.array([-0.5 * width, u(0.7, 1.5), u(-0.3, 0.3) * depth])
            return look_at(eye, target, _UP), u(40, 80)
        eye = np.array([u(-0.35, 0.35) * width, u(1.0, 1.8), 0.44 * depth])
        return look_at(eye, np.array([u(-0.3, 0.3) * width, u(0.4, 1.2), -0.3 * depth]), _UP), u(45, 85)

    def table_outdoors(self) -> tuple[np.ndarray, float]:
        """Many small things on a plane under the sky."""
        self._add(quad((-6, 0, 6), (12, 0, 0), (0, 0, -12)).tiled(self.chance.uniform(2, 10)), self._paint())
        self._environment(1.0)
        return self._scatter(count=int(self.chance.integers(6, 22)), radius=0.7)

    def studio(self) -> tuple[np.ndarray, float]:
        """A curved backdrop, soft and hard area lights, things in the middle."""
        self._add(backdrop(), self._paint())
        self._environment(self.chance.uniform(0.05, 0.6), is_studio=True)
        for _ in range(int(self.chance.integers(1, 4))):
            self._softbox()
        return self._scatter(count=int(self.chance.integers(3, 14)), radius=0.5)

    def hills(self) -> tuple[np.ndarray, float]:
        """Uneven ground with things that stand about."""
        u = self.chance.uniform
        self._add(terrain(16, u(0.3, 2.0), self.chance).tiled(u(2, 12)), self._paint())
        self._environment(1.0)
        for _ in range(int(self.chance.integers(6, 16))):
            self._place(thing(self.chance), (u(-3, 3), u(-0.4, 0.1), u(-4, 2)))
        return look_at(np.array([u(-2, 2), u(1.6, 3), 5.0]), np.array([0, 0.4, -1]), _UP), u(35, 65)

    def _scatter(self, *, count: int, radius: float) -> tuple[np.ndarray, float]:
        u = self.chance.uniform
        for _ in range(count):
            x, z = self.chance.normal(size=2) * radius / 1.7
            self._place(ornament(self.chance), (x, 0.001, z))
        angle, far = u(0, 6.28), u(0.9, 2.0)
        eye = np.array([far * np.sin(angle) * 0.6, u(0.25, 1.2), far * (0.8 + 0.2 * np.cos(angle))])
        return look_at(eye, np.array([0, 0.08, 0]), _UP), u(30, 55)

    def _walls(self, width: float, depth: float, height: float) -> None:
        x, z = width / 2, depth / 2
        back = self._paint()
        self._add(quad((-x, 0, z), (width, 0, 0), (0, 0, -depth)).tiled(3), self._paint())
        self._add(quad((-x, height, -z), (width, 0, 0), (0, 0, depth)), self._paint())
        self._add(quad((-x, 0, -z), (width, 0, 0), (0, height, 0)), back)
        self._add(quad((x, 0, z), (-width, 0, 0), (0, height, 0)), back)
        self._add(quad((x, 0, -z), (0, 0, depth), (0, height, 0)), self._paint())

    def _pictures(self, width: float, depth: float, height: float) -> None:
        for _ in range(int(self.chance.integers(0, 4))):
            w, h = self.chance.uniform(0.3, 1.0, 2)
            x, y = self.chance.uniform(-0.35, 0.35) * width, self.chance.uniform(1.0, height - h)
            self._add(box((w, h, 0.02)).moved((x, y, -depth / 2 + 0.02)), self._any())
            self._add(box((w + 0.08, h + 0.08, 0.015)).moved((x, y - 0.04, -depth / 2 + 0.01)), self._paint())

    def _panel_lamp(self, width: float, depth: float, height: float) -> None:
        u = self.chance.uniform
        w, d = 10 ** u(-1.3, 0.1, 2)
        place = (u(-0.3, 0.3) * width, height - 0.03, u(-0.3, 0.3) * depth)
        self._light(box((w, 0.02, d)).moved(place), power=10 ** u(0.6, 1.8), area=w * d)

    def _softbox(self) -> None:
        u = self.chance.uniform
        size, angle = 10 ** u(-1.2, 0.2), u(0, 6.28)
        place = (2.2 * np.cos(angle), u(0.8, 2.5), 1.2 + 1.5 * np.sin(angle))
        self._light(box((size, size, 0.02)).turned(np.degrees(-angle) + 90).moved(place),
                    power=10 ** u(0.5, 1.8), area=size * size)  # fmt: skip

    def _place(self, made: Thing, place: tuple[float, float, float]) -> None:
        for role, mesh in made.items():
            if role == "light":
                radius = np.ptp(mesh.vertices[:, 0]) / 2
                self._light(mesh.moved(place), power=10 ** self.chance.uniform(0, 1.3), area=12.6 * radius**2)
            else:
                self._add(mesh.moved(place), self._any())

    def _light(self, mesh: Mesh, *, power: float, area: float) -> None:
        warmth = np.array([1.0, self.chance.uniform(0.6, 1.0), self.chance.uniform(0.3, 1.1)])
        radiance = {"type": "rgb", "value": (warmth * power / area).tolist()}
        self._add_part(mesh, _BLACK, {"type": "area", "radiance": radiance})

    def _environment(self, scale: float, *, is_studio: bool = False) -> None:
        chance = self.chance.uniform()
        maps = sorted(self._environments.glob("*.exr")) if self._environments else []
        if is_studio:
            image = _environments.softboxes(self.chance)
        elif maps and chance < 0.4:
            image = _environments.read(maps[int(self.chance.integers(len(maps)))])
        else:
            image = _environments.sky(self.chance)
        turn = self._mi.ScalarTransform4f().rotate([0, 1, 0], float(self.chance.uniform(0, 360)))
        self._parts["environment"] = {"type": "envmap", "bitmap": self._bitmap(image.astype(np.float32)),
                                      "scale": float(scale), "to_world": turn}  # fmt: skip

    def _paint(self) -> int:
        return int(self.chance.integers(PAINTS))

    def _detail(self) -> int:
        """A paint, or as often the dark material."""
        return self._paint() if self.chance.uniform() < 0.5 else len(self._palette) - 1

    def _any(self) -> int:
        return int(self.chance.integers(len(self._palette)))

    def _add(self, mesh: Mesh, material: int) -> None:
        self._meshes[material].append(mesh)

    def _add_part(self, mesh: Mesh, material: Plugin, emitter: Plugin | None = None) -> None:
        name = f"part{len(self._parts):03d}"
        properties = self._mi.Properties()
        properties["bsdf"] = self._mi.load_dict(material)
        if emitter:
            properties["emitter"] = self._mi.load_dict(emitter)
        made = self._mi.Mesh(name, len(mesh.vertices), len(mesh.faces), properties, True, True)
        parameters = self._mi.traverse(made)
        parameters["vertex_positions"] = mesh.vertices.astype(np.float32).ravel()
        parameters["faces"] = mesh.faces.astype(np.uint32).ravel()
        parameters["vertex_texcoords"] = mesh.uv.astype(np.float32).ravel()
        parameters["vertex_normals"] = normals(mesh).astype(np.float32).ravel()
        parameters.update()
        self._parts[name] = made

    def _bitmap(self, image: np.ndarray) -> Any:
        return self._mi.Bitmap(image)


_UP = np.array([0.0, 1.0, 0.0])
_BLACK = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.0}}
