"""Places without walls: tables, streets, hills; and the studio."""

import numpy as np

from renderers.cameras import look_at
from renderers.scenes import _catalogue
from renderers.scenes._buildings import backdrop, facade
from renderers.scenes._furniture import bottle, bowl, bulb, ornament
from renderers.scenes._interiors import CANDIDATES
from renderers.scenes._lights import UP
from renderers.scenes._meshes import ball, box, cushion, join, quad, terrain
from renderers.scenes._place import Builder, Camera, Place


def table(b: Builder) -> Place:
    """Many small things on a plane under the sky."""
    b.add(quad((-40, 0, 40), (80, 0, 0), (0, 0, -80)).tiled(b.chance.uniform(25, 130)), b.paint())
    b.open_sky(1.0)
    _scatter(b, count=int(b.chance.integers(8, 26)), radius=0.6)
    return b.place("table", _around(b))


def studio(b: Builder) -> Place:
    """A curved backdrop, soft and hard lights, things in the middle."""
    u = b.chance.uniform
    b.add(backdrop().tiled(u(1, 8)), b.paint())
    b.studio_walls(u(0.05, 0.6))
    for _ in range(int(b.chance.integers(1, 4))):
        size, angle = 10 ** u(-1.2, 0.2), u(0, 6.28)
        place = (2.2 * np.cos(angle), u(0.8, 2.5), 1.2 + 1.5 * np.sin(angle))
        b.shine(
            "softbox",
            box((size, size, 0.02)).turned(np.degrees(-angle) + 90).moved(place),
            power=10 ** u(0.5, 1.8),
        )
    if u() < 0.5:
        b.spot(
            np.array([u(-2, 2), u(1.5, 3), u(-0.5, 2)]), np.array([0.0, 0.1, 0.0]), power=10 ** u(0.3, 1.5)
        )
    _scatter(b, count=int(b.chance.integers(5, 16)), radius=0.45)
    return b.place("studio", _around(b))


def street(b: Builder) -> Place:
    """Houses to both sides, lamps that stand in a row, bushes and fences."""
    u = b.chance.uniform
    wide = u(4, 8)
    b.add(quad((-40, 0, 40), (80, 0, 0), (0, 0, -80)).tiled(u(20, 60)), b.paint())
    for side, turn in ((-1, 90), (1, -90)):
        for z in np.arange(4, -30, -9.0):
            front = {role: mesh.turned(turn) for role, mesh in facade(b.chance).items()}
            b.put(front, (side * (wide / 2 + u(0, 1)), 0, z))
    b.put(facade(b.chance), (0, 0, -32))
    b.open_sky(u(0.7, 1.5))
    posts = np.arange(3, -12, -u(3, 6))
    lanterns = join([ball(u(0.08, 0.25), 16).moved((0.4 * wide, 3.2, z)) for z in posts])
    b.shine("lantern", lanterns, power=len(posts) * 10 ** u(0.5, 1.6))
    b.add(join([box((0.06, 3.2, 0.06)).moved((0.4 * wide, 0, z)) for z in posts]), b.detail())
    for _ in range(int(b.chance.integers(6, 14))):
        b.put(_catalogue.thing(b.chance), (u(-0.45, 0.45) * wide, 0, u(-8, 3)))
    eyes = [np.array([u(-0.25, 0.25) * wide, u(1.0, 2.5), u(4.5, 7)]) for _ in range(CANDIDATES)]
    return b.place(
        "street", [(look_at(eye, np.array([u(-1.5, 1.5), u(0.7, 2.2), -3]), UP), u(40, 75)) for eye in eyes]
    )


def hills(b: Builder) -> Place:
    """Uneven ground with bushes and things that stand about."""
    u = b.chance.uniform
    b.add(terrain(24, u(0.3, 1.6), b.chance).tiled(u(4, 20)), b.paint())
    b.open_sky(1.0)
    for _ in range(int(b.chance.integers(10, 20))):
        b.put(_catalogue.thing(b.chance), (u(-3, 3), u(-0.3, 0.0), u(-5, 2.5)))
    for _ in range(int(b.chance.integers(2, 8))):
        b.put(_catalogue.thin_thing(b.chance), (u(-3, 3), u(-0.3, 0.0), u(-5, 2.5)))
    eyes = [np.array([u(-2, 2), u(1.4, 2.6), 5.0]) for _ in range(CANDIDATES)]
    return b.place("hills", [(look_at(eye, np.array([0, 0.4, -1]), UP), u(30, 60)) for eye in eyes])


def _scatter(b: Builder, *, count: int, radius: float) -> None:
    for _ in range(count):
        x, z = b.chance.normal(size=2) * radius / 1.7
        made = ornament(b.chance)
        scale = b.chance.choice([0.6, 1, 1, 1.6])
        b.put({role: mesh.scaled(scale) for role, mesh in made.items()}, (x, 0.001, z))
    if b.chance.uniform() < 0.4:
        shapes = [
            bottle(b.chance)["body"],
            bulb(b.chance)["body"],
            cushion((0.2, 0.12, 0.15)),
            ball(0.08, 48),
        ]
        shape = shapes[int(b.chance.integers(len(shapes)))]
        b.fill(shape.moved((*b.chance.uniform(-0.25, 0.25, 1), 0.002, b.chance.uniform(0, 0.3))))
    if b.chance.uniform() < 0.3:
        b.shine("candle", ball(0.008).moved((b.chance.uniform(-0.3, 0.3), 0.15, b.chance.uniform(-0.3, 0.3))),
                power=10 ** b.chance.uniform(-1, 0.5))  # fmt: skip
    b.put(bowl(b.chance), (b.chance.uniform(-0.3, 0.3), 0.001, b.chance.uniform(-0.3, 0.3)))


def _around(b: Builder) -> list[Camera]:
    u = b.chance.uniform
    cameras = []
    for _ in range(CANDIDATES):
        angle, far = u(0, 6.28), u(0.7, 1.6)
        eye = np.array([far * np.sin(angle) * 0.6, u(0.2, 1.0), far * (0.8 + 0.2 * np.cos(angle))])
        cameras.append((look_at(eye, np.array([u(-0.1, 0.1), 0.08, 0]), UP), u(25, 50)))
    return cameras
