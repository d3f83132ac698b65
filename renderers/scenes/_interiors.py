"""Places with walls: rooms and halls."""

import numpy as np

from renderers.cameras import look_at
from renderers.scenes import _catalogue
from renderers.scenes._buildings import blinds, colonnade, stairs, window_wall
from renderers.scenes._lights import UP
from renderers.scenes._meshes import Number, box, join, quad, tube
from renderers.scenes._place import Builder, Camera, Place

CANDIDATES = 12
# Metres between the things of a room.
GAP = 0.75
# Of rooms: those with a window in the wall across too, seen from afar; of windows: those with blinds.
BACK_WINDOWS, BLINDS = 0.45, 0.5


def room(b: Builder) -> Place:
    """Four walls, a window, furniture, lamps, pictures."""
    u = b.chance.uniform
    width, depth = u(3, 7, 2)
    size = width, depth, u(2.4, 3.4)
    is_open = u() < BACK_WINDOWS
    _walls(b, *size, is_open=is_open)
    _window(b, *size)
    if is_open:
        _window(b, depth, width, size[2], turn=-90)
    b.open_sky(u(0.5, 8))
    _lamps(b, *size)
    _furnish(b, width, depth, count=int(b.chance.integers(1, 13)))
    _pictures(b, *size)
    if u() < 0.25:
        b.fill(box(u(0.3, 1.0, 3)).moved((u(-0.3, 0.3) * width, 0.02, u(-0.3, 0.2) * depth)))
    return b.place("room", [_inside(b, *size) for _ in range(CANDIDATES)])


def hall(b: Builder) -> Place:
    """Two rows of columns, open to the left, a few things far apart."""
    u = b.chance.uniform
    width, depth, height = u(5, 9), u(8, 18), u(3.5, 7)
    x, z = width / 2, depth / 2
    b.add(quad((-x, 0, z), (width, 0, 0), (0, 0, -depth)).tiled(6), b.paint())
    b.add(quad((-x, height, -z), (width, 0, 0), (0, 0, depth)).tiled(3), b.paint())
    b.add(quad((x, 0, -z), (0, 0, depth), (0, height, 0)).tiled(3), b.paint())
    b.add(quad((-x, 0, -z), (width, 0, 0), (0, height, 0)).tiled(2), b.paint())
    b.add(colonnade(width, depth, height, b.chance), b.paint())
    b.open_sky(u(0.7, 4))
    if u() < 0.6:
        places = [u(-0.2, 0.2) * width, u(0.6, 0.9) * height, 0] + u(-0.4, 0.3, (3, 1)) * [0, 0, depth]
        lanterns = join([box(u(0.1, 0.5, 3)).moved(place) for place in places])
        b.shine("lantern", lanterns, power=10 ** u(1.3, 2.3))
    if u() < 0.5:
        b.put(stairs(b.chance), (u(-0.1, 0.25) * width, 0, -0.2 * depth))
    _furnish(b, width, depth, count=int(b.chance.integers(6, 12)))
    _pictures(b, width, depth, height)
    eyes = [np.array([u(-0.2, 0.25) * width, u(1.0, 2.0), u(0.1, 0.45) * depth]) for _ in range(CANDIDATES)]
    aims = [np.array([u(-0.4, 0.3) * width, u(0.8, 2.0), -0.4 * depth]) for _ in eyes]
    cameras = [(look_at(eye, aim, UP), u(45, 80)) for eye, aim in zip(eyes, aims, strict=True)]
    return b.place("hall", cameras)


def _walls(b: Builder, width: float, depth: float, height: float, *, is_open: bool) -> None:
    x, z = width / 2, depth / 2
    back = b.paint()
    b.add(quad((-x, 0, z), (width, 0, 0), (0, 0, -depth)).tiled(3), b.paint())
    b.add(quad((-x, height, -z), (width, 0, 0), (0, 0, depth)), b.paint())
    if not is_open:
        b.add(quad((-x, 0, -z), (width, 0, 0), (0, height, 0)).tiled(2), back)
    b.add(quad((x, 0, z), (-width, 0, 0), (0, height, 0)).tiled(2), back)
    b.add(quad((x, 0, -z), (0, 0, depth), (0, height, 0)).tiled(2), b.paint())
    skirting = [
        box((width, 0.09, 0.02)).moved((0, 0, -z + 0.01)),
        box((0.02, 0.09, depth)).moved((x - 0.01, 0, 0)),
    ]
    trim = b.detail()
    for piece in skirting:
        b.add(piece, trim)


def _window(b: Builder, width: float, depth: float, height: float, *, turn: Number = 0.0) -> None:
    """The wall to the left with a window, or another: the room turned, with its width and depth as they are
    then."""
    u = b.chance.uniform
    wall, bars = window_wall(width, depth, height, b.chance)
    b.add(wall.turned(turn), b.paint())
    b.add(bars.turned(turn), b.detail())
    if u() < BLINDS:
        b.add(blinds(width, depth, height, b.chance).turned(turn), b.detail())
    for _ in range(int(b.chance.integers(0, 4))):
        spot = quad((u(-0.42, -0.3) * width, u(0, 0.6), u(-0.4, 0.4) * depth), (1, 0, 0), (0, 1, 0))
        b.put(_catalogue.thin_thing(b.chance), spot.turned(turn).vertices[0])


def _lamps(b: Builder, width: float, depth: float, height: float) -> None:
    u = b.chance.uniform
    for _ in range(int(b.chance.choice([0, 1, 1, 2, 2]))):
        w, d = 10 ** u(-1.3, 0.1, 2)
        x, z = u(-0.3, 0.3) * width, u(-0.3, 0.3) * depth
        b.shine("panel", box((w, 0.02, d)).moved((x, height - 0.03, z)), power=10 ** u(0.9, 2.1))
    if u() < 0.25:
        start = np.array([u(-0.3, 0.3) * width, u(1.2, height - 0.2), -0.48 * depth])
        b.shine("tube", tube(start + np.linspace((-0.6, 0, 0), (0.6, u(-0.3, 0.3), 0), 6), 0.012),
                power=10 ** u(0.5, 1.5))  # fmt: skip
    if u() < 0.3:
        w, h = u(0.3, 1.2), u(0.25, 0.7)
        x, y = u(-0.3, 0.3) * width, u(0.7, 1.4)
        b.screen(quad((x - w / 2, y, -0.48 * depth), (w, 0, 0), (0, h, 0)), 10 ** u(0, 1.3))
    if u() < 0.35:
        eye = np.array([u(-0.4, 0.4) * width, height - 0.15, u(-0.3, 0.4) * depth])
        b.spot(eye, np.array([u(-0.4, 0.4) * width, 0.4, -0.3 * depth]), power=10 ** u(0.7, 2.0))


def _furnish(b: Builder, width: float, depth: float, *, count: int) -> None:
    """Things with a gap between them; some stand in a row of their like."""
    taken: list[np.ndarray] = []
    for _ in range(4 * count):
        spot = np.array([b.chance.uniform(-0.42, 0.42) * width, 0.0, b.chance.uniform(-0.44, 0.25) * depth])
        if len(taken) == count or any(np.linalg.norm(spot - other) < GAP for other in taken):
            continue
        made = _catalogue.thing(b.chance)
        repeats = int(b.chance.integers(2, 5)) if b.chance.uniform() < 0.15 else 1
        step = np.array([b.chance.uniform(0.6, 0.9), 0, b.chance.uniform(-0.3, 0.3)])
        rows = [spot + i * step for i in range(repeats) if abs(spot[0] + i * step[0]) < 0.45 * width]
        for place in rows:
            b.put(made, place)
        taken += rows


def _pictures(b: Builder, width: float, depth: float, height: float) -> None:
    for _ in range(int(b.chance.integers(0, 5))):
        w, h = b.chance.uniform(0.3, 1.2, 2)
        x, y = b.chance.uniform(-0.38, 0.38) * width, b.chance.uniform(0.9, max(height - h, 1.0))
        b.add(box((w, h, 0.02)).moved((x, y, -depth / 2 + 0.02)), b.print())
        b.add(box((w + 0.08, h + 0.08, 0.015)).moved((x, y - 0.04, -depth / 2 + 0.01)), b.detail())


def _inside(b: Builder, width: float, depth: float, height: float) -> Camera:
    u = b.chance.uniform
    if u() < 0.3:  # towards the window
        eye = np.array([u(0.2, 0.44) * width, u(0.8, 1.7), u(-0.2, 0.4) * depth])
        return look_at(eye, np.array([-0.5 * width, u(0.7, 1.5), u(-0.3, 0.3) * depth]), UP), u(40, 80)
    eye = np.array([u(-0.35, 0.42) * width, u(0.8, 0.7 * height), u(0.25, 0.45) * depth])
    return look_at(eye, np.array([u(-0.4, 0.3) * width, u(0.3, 1.1), -0.35 * depth]), UP), u(40, 80)
