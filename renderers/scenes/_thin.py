"""Things of thin parts that light passes between."""

import numpy as np

from renderers.scenes._furniture import Thing
from renderers.scenes._meshes import Mesh, ball, box, join, lathe, quad, torus, tube


def ladder(chance: np.random.Generator) -> Thing:
    """Two rails and rungs, leaning."""
    height, width = chance.uniform(1.2, 2.2), chance.uniform(0.3, 0.5)
    rails = [tube(np.linspace((s * width / 2, 0, 0), (s * width / 2, height, 0), 3), 0.018) for s in (-1, 1)]
    rungs = [tube(np.linspace((-width / 2, y, 0), (width / 2, y, 0), 3), 0.012)
             for y in np.arange(0.2, height, 0.25)]  # fmt: skip
    return {"body": join(rails + rungs).turned(-15, 0).turned(chance.uniform(0, 360))}


def fence(chance: np.random.Generator) -> Thing:
    """Pales or rods between two rails."""
    width, height, thick = chance.uniform(1.0, 2.4), chance.uniform(0.6, 1.1), chance.uniform(0.008, 0.06)
    pales = [box((thick, height, min(thick, 0.02))).moved((x, 0, 0))
             for x in np.arange(-width / 2, width / 2, thick + chance.uniform(0.03, 0.12))]  # fmt: skip
    rails = [box((width, 0.04, 0.02)).moved((0, y * height, 0.015)) for y in (0.2, 0.85)]
    return {"body": join(pales + rails).turned(chance.uniform(0, 180))}


def louvre(chance: np.random.Generator) -> Thing:
    """An upright screen of slats that are tilted, level or upright."""
    width, height = chance.uniform(0.6, 1.8, 2)
    pitch, tilt = 10 ** chance.uniform(-1.8, -1.0), chance.uniform(0, 80)
    slat = box((width, 0.1 * pitch, 0.8 * pitch)).turned(tilt, 0)
    slats = join([slat.moved((0, y, 0)) for y in np.arange(0, height, pitch)])
    sides = join([box((0.02, height, 0.03)).moved((s * width / 2, 0, 0)) for s in (-1, 1)])
    turn = chance.uniform(-50, 50)
    if chance.uniform() < 0.4:  # lying on its side, its slats stand
        slats, sides = (part.turned(90, 2).moved((height / 2, width / 2, 0)) for part in (slats, sides))
    return {"body": slats.turned(turn), "frame": sides.turned(turn)}


def grating(chance: np.random.Generator) -> Thing:
    """An upright grating of rods both ways."""
    width, height = chance.uniform(0.5, 1.6, 2)
    pitch = 10 ** chance.uniform(-1.8, -0.9)
    thick = pitch * chance.uniform(0.05, 0.4)
    rods = [box((thick, height, thick)).moved((x, 0, 0)) for x in np.arange(-width / 2, width / 2, pitch)]
    rods += [box((width, thick, thick)).moved((0, y, 0)) for y in np.arange(0, height, pitch)]
    return {"body": join(rods).turned(chance.uniform(-50, 50))}


def wheel(chance: np.random.Generator) -> Thing:
    """A rim with a tyre on thin spokes, upright."""
    radius, count = chance.uniform(0.25, 0.4), int(chance.integers(12, 36))
    spokes = []
    for angle in np.linspace(0, 2 * np.pi, count, endpoint=False):
        rim = radius * np.array([np.cos(angle), 0, np.sin(angle)])
        spokes.append(tube(np.linspace((0, 0.02, 0), rim, 3), 0.0015, 4))
    parts = {"frame": torus(radius, 0.02), "body": join(spokes), "other": lathe([(0.02, 0), (0.02, 0.05)])}
    turn = chance.uniform(0, 180)
    return {role: m.turned(90, 0).moved((0, radius + 0.02, 0)).turned(turn) for role, m in parts.items()}


def cage(chance: np.random.Generator) -> Thing:
    """A wire basket with balls in it."""
    radius, height = chance.uniform(0.12, 0.3), chance.uniform(0.3, 0.7)
    bars = [tube(np.linspace((radius * np.cos(a), 0, radius * np.sin(a)),
                             (radius * np.cos(a), height, radius * np.sin(a)), 3), 0.003, 4)
            for a in np.linspace(0, 2 * np.pi, int(chance.integers(10, 30)))]  # fmt: skip
    rings = [torus(radius, 0.004).moved((0, y, 0)) for y in np.linspace(0, height, 4)]
    inside = [ball(0.35 * radius).moved((*(chance.uniform(-0.5, 0.5, 1) * radius), 0.3 * i * radius,
                                         chance.uniform(-0.5, 0.5) * radius)) for i in range(4)]  # fmt: skip
    return {"frame": join(bars + rings), "body": join(inside)}


def washing_line(chance: np.random.Generator) -> Thing:
    """Sheets and papers that hang from a wire between posts."""
    width, height = chance.uniform(1.2, 2.2), chance.uniform(1.2, 1.8)
    line = np.linspace(-1, 1, 17)[:, None]
    wire = np.concatenate([line * width / 2, height - 0.08 * (1 - line**2), 0 * line], 1)
    posts = [box((0.03, height, 0.03)).moved((s * width / 2, 0, 0)) for s in (-1, 1)]
    cards = [quad((x, height - 0.09 - high, 0.005), (wide, 0, 0.03), (0, high, 0))
             for x, wide, high in zip(np.arange(-0.45, 0.35, 0.2) * width, chance.uniform(0.1, 0.25, 4),
                                      chance.uniform(0.2, 0.5, 4), strict=False)]  # fmt: skip
    return {"frame": join([tube(wire, 0.004), *posts]), "print": join(cards[::2]), "body": join(cards[1::2])}


def bush(chance: np.random.Generator) -> Thing:
    """Twigs of cut-out leaves around a stem that forks."""
    height = chance.uniform(0.5, 1.6)
    stems, leaves = [], []
    for _ in range(int(chance.integers(6, 14))):
        tip = np.append(chance.normal(size=1) * 0.3, [height * chance.uniform(0.5, 1), chance.normal() * 0.3])
        bend = np.array([0, 0.6, 0]) * height
        t = np.linspace(0, 1, 9)[:, None]
        path = (2 * t * (1 - t)) * bend + t**2 * tip
        stems.append(tube(path, 0.008, 5))
        leaves += [_twig(point, chance) for point in path[2:] for _ in range(3)]
    return {"frame": join(stems), "leaf": join(leaves)}


def _twig(root: np.ndarray, chance: np.random.Generator) -> Mesh:
    """A card of a random direction that starts at `root`."""
    along = chance.normal(size=3) * 0.12 + [0, 0.06, 0]
    across = np.cross(along, chance.normal(size=3))
    across *= chance.uniform(0.05, 0.12) / (np.linalg.norm(across) + 1e-9)
    return quad(root - across / 2, across, along)
