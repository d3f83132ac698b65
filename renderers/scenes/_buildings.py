"""Parts of places that are built around the things in them."""

from itertools import starmap

import numpy as np

from renderers.scenes._furniture import Thing
from renderers.scenes._meshes import Mesh, box, join, lathe, sheet


def window_wall(width: float, depth: float, height: float, chance: np.random.Generator) -> tuple[Mesh, Mesh]:
    """The left wall with an opening, as four thick pieces, and the bars that divide the opening."""
    x, bottom, top = -width / 2, chance.uniform(0.0, 0.9), height - chance.uniform(0.2, 0.7)
    left, right = sorted(chance.uniform(-0.45, 0.45, 2) * depth)
    right = max(right, left + 0.6)
    pieces = [(-depth / 2, left, 0.0, height), (right, depth / 2 + 0.6, 0.0, height),
              (left, right, 0.0, bottom), (left, right, top, height)]  # fmt: skip

    def piece(z0: float, z1: float, y0: float, y1: float) -> Mesh:
        return box((0.15, max(y1 - y0, 0.01), max(z1 - z0, 0.01))).moved((x - 0.075, y0, (z0 + z1) / 2))

    thick = chance.uniform(0.012, 0.06)
    rows, columns = (int(number) for number in chance.integers(0, 5, 2))
    across = [box((thick, thick, right - left)).moved((x - 0.05, y, (left + right) / 2))
              for y in np.linspace(bottom, top - thick, rows + 2)]  # fmt: skip
    upright = [box((thick, top - bottom, thick)).moved((x - 0.05, bottom, z))
               for z in np.linspace(left + thick / 2, right - thick / 2, columns + 2)]  # fmt: skip
    return join(list(starmap(piece, pieces))), join(across + upright)


def blinds(width: float, depth: float, height: float, chance: np.random.Generator) -> Mesh:
    """Slats in front of the left wall's window, level or upright, in front of some of it or all."""
    pitch, tilt = chance.uniform(0.025, 0.12), chance.uniform(0, 75)
    deep, along = pitch * chance.uniform(0.5, 1.0), 0.8 * depth
    x, low = -width / 2 + 0.07, chance.uniform(0.3, 0.6 * height)
    if chance.uniform() < 0.3:
        slat = box((0.003, height - low - 0.1, deep)).turned(tilt)
        return join([slat.moved((x, low, z)) for z in np.arange(-along / 2, along / 2, pitch)])
    slat = box((deep, 0.003, along)).turned(tilt, 2)
    return join([slat.moved((x, y, 0)) for y in np.arange(low, height - 0.1, pitch)])


def backdrop() -> Mesh:
    """Floor that bends up into a wall."""
    angle = np.linspace(0, np.pi / 2, 12)
    y = np.concatenate([[0, 0], 1 - np.cos(angle), [4.0]])
    z = np.concatenate([[5, 0], -1.2 - np.sin(angle), [-2.2]])
    x = np.linspace(-5, 5, 2)
    points = np.stack(np.broadcast_arrays(x[None, :], y[:, None], z[:, None]), -1)
    return sheet(points)


def facade(chance: np.random.Generator) -> Thing:
    """A house front that looks along z: rows of windows with sills, and a door."""
    columns, floors = int(chance.integers(2, 7)), int(chance.integers(1, 6))
    wide, high = chance.uniform(1.3, 2.2), chance.uniform(2.4, 3.2)
    w, h = wide * chance.uniform(0.4, 0.75), high * chance.uniform(0.4, 0.65)
    house = box((columns * wide, floors * high + 0.5, 6.0)).moved((0, 0, -3.0))
    places = [
        ((i - (columns - 1) / 2) * wide, j * high + 0.9, 0) for i in range(columns) for j in range(floors)
    ]
    panes = [box((w, h, 0.02)).moved(place) for place in places]
    bars = [box((0.05, h, 0.05)).moved(place) for place in places]
    sills = [box((w + 0.2, 0.06, 0.25)).moved(np.subtract(place, (0, 0.06, 0))) for place in places]
    return {"cloth": house.tiled(columns), "pane": join(panes), "frame": join(sills + bars)}


def colonnade(width: float, depth: float, height: float, chance: np.random.Generator) -> Mesh:
    """Two rows of columns along z."""
    radius, count = chance.uniform(0.12, 0.35), int(chance.integers(4, 10))
    profile = [(1.4, 0), (1.4, 0.1), (1.0, 0.16), (0.85, 0.9), (1.3, 0.96), (1.3, 1.0)]
    column = lathe([(radius * r, height * y) for r, y in profile], 24)
    if chance.uniform() < 0.3:
        column = box((2 * radius, height, 2 * radius))
    return join([column.moved((s * 0.32 * width, 0, z))
                 for s in (-1, 1) for z in np.linspace(-0.45, 0.4, count) * depth])  # fmt: skip


def stairs(chance: np.random.Generator) -> Thing:
    """Steps with a railing of thin bars."""
    count, wide = int(chance.integers(4, 12)), chance.uniform(0.8, 1.6)
    steps = [box((wide, 0.17 * (i + 1), 0.28)).moved((0, 0, -0.28 * i)) for i in range(count)]
    bars = [
        box((0.015, 0.9, 0.015)).moved((wide / 2 - 0.05, 0.17 * (i + 1), -0.28 * i)) for i in range(count)
    ]
    return {"cloth": join(steps), "frame": join(bars)}
