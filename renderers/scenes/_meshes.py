"""Triangle meshes in numpy: shapes, and ways to bend, repeat and join them. y is up, units are metres."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

Number = int | float
Vector = Sequence[Number] | np.ndarray


@dataclass(frozen=True)
class Mesh:
    """Vertices with texture coordinates, and triangles."""

    vertices: Float[np.ndarray, "n 3"]
    faces: Int[np.ndarray, "m 3"]
    uv: Float[np.ndarray, "n 2"]

    @property
    def area(self) -> float:
        """Of all faces, in square metres."""
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)

    def moved(self, offset: Vector) -> "Mesh":
        """The same mesh elsewhere."""
        return replace(self, vertices=self.vertices + np.asarray(offset, np.float64))

    def scaled(self, factor: Number) -> "Mesh":
        """Larger by so much, from the origin."""
        return replace(self, vertices=self.vertices * factor)

    def turned(self, degrees: Number, axis: int = 1) -> "Mesh":
        """Turned about an axis through the origin (0 x, 1 y, 2 z)."""
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        one, two = [(1, 2), (2, 0), (0, 1)][axis]
        matrix = np.eye(3)
        matrix[one, one], matrix[one, two], matrix[two, one], matrix[two, two] = c, -s, s, c
        return replace(self, vertices=self.vertices @ matrix.T)

    def tiled(self, repeats: Number) -> "Mesh":
        """The texture repeated."""
        return replace(self, uv=self.uv * repeats)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of several."""
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=True)]),
        np.concatenate([m.uv for m in meshes]),
    )


def sheet(points: Float[np.ndarray, "r c 3"]) -> Mesh:
    """The surface over a grid of points; texture coordinates run over it once."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return Mesh(points.reshape(-1, 3), faces, np.stack([u, v], -1).reshape(-1, 2))


def quad(corner: Vector, along: Vector, up: Vector) -> Mesh:
    """A flat parallelogram from a corner and two edges."""
    o, a, b = (np.asarray(x, np.float64) for x in (corner, along, up))
    return sheet(np.array([[o, o + a], [o + b, o + a + b]]))


def box(size: Vector) -> Mesh:
    """A box that stands on the origin: centred in x and z, from y = 0 up."""
    x, y, z = size[0] / 2, size[1], size[2] / 2
    sides = [
        quad((-x, 0, z), (2 * x, 0, 0), (0, y, 0)),
        quad((x, 0, -z), (-2 * x, 0, 0), (0, y, 0)),
        quad((x, 0, z), (0, 0, -2 * z), (0, y, 0)),
        quad((-x, 0, -z), (0, 0, 2 * z), (0, y, 0)),
        quad((-x, y, z), (2 * x, 0, 0), (0, 0, -2 * z)),
        quad((-x, 0, -z), (2 * x, 0, 0), (0, 0, 2 * z)),
    ]
    return join(sides)


def lathe(profile: Sequence[tuple[Number, Number]], segments: int = 40) -> Mesh:
    """A profile of (radius, height) turned about the y axis: vases, bowls, poles, bulbs, cones."""
    radius, height = np.array(profile, np.float64).T
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    ring = np.stack([np.cos(angle), np.zeros_like(angle), -np.sin(angle)], -1)
    points = radius[:, None, None] * ring[None] + height[:, None, None] * np.array([0, 1, 0])
    return sheet(points)


def ball(radius: Number, segments: int = 32) -> Mesh:
    """A sphere that stands on the origin."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    return lathe(list(zip(radius * np.cos(angle), radius * (1 + np.sin(angle)), strict=True)), segments)


def blob(radius: Number, chance: np.random.Generator, roughness: Number = 0.25) -> Mesh:
    """A ball displaced by a few waves: pebbles, fruit, clay."""
    base = ball(radius, 64)
    centred = base.vertices - [0, radius, 0]
    bend = np.zeros(len(centred))
    for octave in range(1, 6):
        direction = chance.normal(size=3) * octave / radius
        bend += np.sin(centred @ direction + chance.uniform(0, 6)) / octave**1.3
    vertices = centred * (1 + roughness * bend[:, None] / 2.5)
    return replace(base, vertices=vertices - [0, vertices[:, 1].min(), 0])


def cushion(size: Vector) -> Mesh:
    """A stuffed box that stands on the origin: full in the middle, its edges round."""
    base = ball(0.5, 40)
    centred = (base.vertices - [0, 0.5, 0]) * 2
    round_ = np.sign(centred) * np.abs(centred) ** 0.45
    return replace(base, vertices=(round_ / 2 + [0, 0.5, 0]) * np.asarray(size, np.float64))


def torus(radius: Number, thickness: Number) -> Mesh:
    """A ring that lies on the ground."""
    angle = np.linspace(0, 2 * np.pi, 25)
    profile = zip(radius + thickness * np.cos(angle), thickness * (1 + np.sin(angle)), strict=True)
    return lathe(list(profile), 48)


def tube(path: Float[np.ndarray, "n 3"], radius: Number, sides: int = 6) -> Mesh:
    """A wire, stem or hair along a path; it tapers to a third."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
    helper = np.where(np.abs(tangent[:, 1:2]) < 0.9, [[0.0, 1, 0]], [[1.0, 0, 0]])
    across = np.cross(tangent, helper)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cross(tangent, across)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    taper = radius * np.linspace(1, 0.33, len(path))[:, None, None]
    ring = np.cos(angle)[None, :, None] * across[:, None] + np.sin(angle)[None, :, None] * other[:, None]
    return sheet(path[:, None] + taper * ring)


def terrain(size: Number, height: Number, chance: np.random.Generator, steps: int = 60) -> Mesh:
    """Uneven ground around the origin."""
    line = np.linspace(-size / 2, size / 2, steps)
    x, z = np.meshgrid(line, line)
    y = np.zeros_like(x)
    for octave in range(1, 6):
        angle, phase = chance.uniform(0, 6.3, 2)
        y += np.sin((x * np.cos(angle) + z * np.sin(angle)) * octave * 4 / size + phase) / octave**1.4
    return sheet(np.stack([x, y * height / 2, -z], -1))


def drape(width: Number, height: Number, folds: Number, chance: np.random.Generator) -> Mesh:
    """Cloth that hangs from y = height down to 0 in the x y plane, in folds that widen."""
    u, v = np.meshgrid(np.linspace(0, 1, 97), np.linspace(0, 1, 17))
    deep = 0.03 + 0.05 * v
    wave = np.sin(2 * np.pi * folds * u + chance.uniform(0, 6)) + 0.4 * np.sin(
        13 * u * chance.uniform(0.5, 2) + 3 * v
    )
    return sheet(np.stack([(u - 0.5) * width, (1 - v) * height, deep * wave], -1))


def normals(mesh: Mesh) -> Float[np.ndarray, "n 3"]:
    """Vertex normals, by area: smooth within a sheet, sharp between sheets, which share no vertex."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    across = np.cross(b - a, c - a)
    total = np.zeros_like(mesh.vertices)
    for i in range(3):
        np.add.at(total, mesh.faces[:, i], across)
    return np.asarray(total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-12))
