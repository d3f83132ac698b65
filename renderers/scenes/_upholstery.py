"""Soft things: stuffed, hung, and hairy."""

import numpy as np

from renderers.scenes._furniture import Thing
from renderers.scenes._meshes import Mesh, blob, box, cushion, drape, join, tube


def sofa(chance: np.random.Generator) -> Thing:
    """Seats for one to three, a back, arms and pillows."""
    seats, deep = int(chance.integers(1, 4)), chance.uniform(0.6, 0.8)
    width = 0.62 * seats
    seat = [cushion((0.6, 0.18, deep)).moved((0.62 * (i - (seats - 1) / 2), 0.28, 0)) for i in range(seats)]
    back = [part.turned(80, 0).moved((0, 0.62, -0.75 * deep)) for part in seat]
    arms = [cushion((0.16, 0.55, deep)).moved((s * (width / 2 + 0.08), 0.05, 0)) for s in (-1, 1)]
    pillow = cushion((0.4, 0.4, 0.14)).turned(-20, 0).moved((chance.uniform(-0.3, 0.3), 0.45, -0.1))
    feet = [
        box((0.05, 0.12, 0.05)).moved((s * width / 2.2, 0, t * deep / 2.5)) for s in (-1, 1) for t in (-1, 1)
    ]
    base = box((width, 0.2, deep)).moved((0, 0.1, 0))
    made = {"cloth": join([*seat, *back, *arms]), "print": pillow, "frame": join([*feet, base])}
    return _turned(made, float(chance.choice([0, 90, 180, 270])) + chance.uniform(-20, 20))


def bed(chance: np.random.Generator) -> Thing:
    """A mattress, a cover that hangs over, pillows, and a board at the head."""
    width = chance.uniform(0.9, 1.8)
    mattress = cushion((width, 0.25, 2.0)).moved((0, 0.25, 0))
    pillows = [cushion((0.55, 0.16, 0.4)).turned(chance.uniform(-15, 15)).moved((x, 0.46, -0.75))
               for x in np.arange(-width / 2 + 0.35, width / 2 - 0.2, 0.6)]  # fmt: skip
    cover = cushion((width + 0.06, 0.2, 1.3)).moved((0, 0.36, 0.36))
    board = box((width + 0.1, chance.uniform(0.7, 1.2), 0.06)).moved((0, 0, -1.04))
    legs = box((width * 0.95, 0.25, 1.9))
    made = {"cloth": mattress, "cloth1": cover, "cloth2": join(pillows), "frame": join([board, legs])}
    return _turned(made, float(chance.choice([0, 90, 270])))


def curtain(chance: np.random.Generator) -> Thing:
    """Cloth in folds on a rod."""
    width, height = chance.uniform(0.6, 1.6), chance.uniform(1.6, 2.3)
    rod = tube(np.linspace((-width / 2 - 0.1, height, 0), (width / 2 + 0.1, height, 0), 4), 0.012)
    return {"body": drape(width, height, chance.uniform(4, 12), chance), "frame": rod}


def rug(chance: np.random.Generator) -> Thing:
    """A flat rug with fringes, or a shaggy one."""
    width, depth = chance.uniform(1.0, 2.2), chance.uniform(0.8, 1.5)
    ground = box((width, 0.012, depth))
    fringe = [tube(np.linspace((s * width / 2, 0.008, z), (s * (width / 2 + 0.08), 0.004, z), 3), 0.003, 3)
              for s in (-1, 1) for z in np.linspace(-depth / 2, depth / 2, 60)]  # fmt: skip
    if chance.uniform() < 0.5:
        return {"print": ground, "other": join(fringe)}
    foot = np.stack([chance.uniform(-0.5, 0.5, 900) * width, np.full(900, 0.012),
                     chance.uniform(-0.5, 0.5, 900) * depth], -1)  # fmt: skip
    return {"cloth": ground, "body": _hair(foot, np.tile([0, 1.0, 0], (900, 1)), 0.07, chance)}


def fur_ball(chance: np.random.Generator) -> Thing:
    """A pebble with hair all over."""
    size = chance.uniform(0.15, 0.35)
    body = blob(size, chance, 0.15)
    middle = np.array([0, body.vertices[:, 1].mean(), 0])
    roots = body.vertices[chance.integers(len(body.vertices), size=1500)]
    return {"cloth": body, "body": _hair(roots, roots - middle, size * chance.uniform(0.25, 0.6), chance)}


def _hair(roots: np.ndarray, outwards: np.ndarray, length: float, chance: np.random.Generator) -> Mesh:
    """A thin curve from each root, bent down and to a side."""
    t = np.linspace(0, 1, 5)[:, None]
    outwards = outwards / (np.linalg.norm(outwards, axis=1, keepdims=True) + 1e-9)
    bends = chance.normal(size=roots.shape) * 0.35 - [0, 0.3, 0]
    paths = roots[:, None] + length * (t * outwards[:, None] + t**2 * bends[:, None])
    paths[..., 1] = np.maximum(paths[..., 1], 0.004)
    return join([tube(path, length * 0.012, sides=3) for path in paths])


def _turned(made: Thing, degrees: float) -> Thing:
    return {role: mesh.turned(degrees) for role, mesh in made.items()}
