"""Things that stand in places: each a function of chance that gives meshes by the material they share."""

from collections.abc import Mapping

import numpy as np

from renderers.scenes._meshes import Mesh, ball, blob, box, join, lathe, quad, torus, tube

# What a thing is made of: meshes by role. The role's first word decides on the material: `light` shines,
# `leaf` is cut out, `print` shows a picture or text, `cloth` is opaque; others may be of anything.
Thing = Mapping[str, Mesh]


def table(chance: np.random.Generator) -> Thing:
    """Four legs and a top, with ornaments."""
    width, depth, height = chance.uniform(0.7, 1.6), chance.uniform(0.5, 0.9), chance.uniform(0.45, 0.8)
    leg = chance.uniform(0.03, 0.08)
    corners = [(sx * (width / 2 - leg), 0, sz * (depth / 2 - leg)) for sx in (-1, 1) for sz in (-1, 1)]
    legs = join([box((leg, height, leg)).moved(corner) for corner in corners])
    top = box((width, 0.04, depth)).moved((0, height, 0))
    made: Thing = {"frame": legs, "body": top}
    return {**made, **_laid(chance, width, depth, height)}


def _laid(chance: np.random.Generator, width: float, depth: float, height: float) -> Thing:
    """One to five ornaments on a table top."""
    laid: dict[str, Mesh] = {}
    for number in range(int(chance.integers(1, 6))):
        place = (chance.uniform(-0.4, 0.4) * width, height + 0.04, chance.uniform(-0.35, 0.35) * depth)
        laid |= {f"{role}{number}": m.moved(place) for role, m in ornament(chance).items()}
    return laid


def ornament(chance: np.random.Generator) -> Thing:
    """A thing for a table, about 20 cm in size."""
    return ORNAMENTS[int(chance.integers(len(ORNAMENTS)))](chance)


def chair(chance: np.random.Generator) -> Thing:
    """Seat, legs and a back of slats."""
    seat, leg = chance.uniform(0.38, 0.5), chance.uniform(0.02, 0.05)
    high = chance.uniform(0.35, 0.6)
    feet = [(sx * (seat / 2 - leg), 0, sz * (seat / 2 - leg)) for sx in (-1, 1) for sz in (-1, 1)]
    legs = [box((leg, 0.45 + (high if foot[2] < 0 else 0), leg)).moved(foot) for foot in feet]
    slats = [
        box((seat, 0.03, 0.015)).moved((0, y, -seat / 2 + leg)) for y in np.arange(0.55, 0.43 + high, 0.08)
    ]
    turn = chance.uniform(0, 360)
    body = box((seat, 0.04, seat)).moved((0, 0.45, 0)).turned(turn)
    return {"frame": join(legs + slats).turned(turn), "body": body}


def shelf(chance: np.random.Generator) -> Thing:
    """Boards full of books of many heights."""
    width, levels = chance.uniform(0.6, 1.4), int(chance.integers(2, 6))
    boards = [box((width, 0.025, 0.3)).moved((0, level * 0.36, 0)) for level in range(levels + 1)]
    sides = [box((0.025, levels * 0.36, 0.3)).moved((s * width / 2, 0, 0)) for s in (-1, 1)]
    books = [_books(chance, width - 0.06).moved((0, level * 0.36 + 0.025, 0)) for level in range(levels)]
    half = len(books) // 2 + 1
    return {"frame": join(boards + sides), "body": join(books[:half]), "print": join(books[half - 1 :])}


def cupboards(chance: np.random.Generator) -> Thing:
    """A row of fitted cupboards with gaps around their doors, handles, and a worktop or none: kitchens."""
    count, wide, deep = int(chance.integers(1, 6)), chance.uniform(0.35, 0.65), chance.uniform(0.4, 0.65)
    height, gap = chance.choice([0.85, 0.85, 2.1]) * chance.uniform(0.9, 1.1), chance.uniform(0.003, 0.01)
    length = count * wide
    carcass = box((length, height - 0.1, deep)).moved((0, 0.1, 0))
    rows = int(chance.integers(1, 4))
    high = (height - 0.1) / rows
    corners = [
        ((i - (count - 1) / 2) * wide, 0.1 + j * high + gap, deep / 2 + 0.009)
        for i in range(count)
        for j in range(rows)
    ]
    doors = [box((wide - 2 * gap, high - 2 * gap, 0.018)).moved(corner) for corner in corners]
    bar = (0.6 * wide, 0.012, 0.012) if chance.uniform() < 0.5 else (0.012, min(0.3, 0.6 * high), 0.012)
    handles = [box(bar).moved(np.add(corner, (0, 0.7 * high, 0.03))) for corner in corners]
    foot = box((length, 0.1, deep - 0.08)).moved((0, 0, -0.04))
    made: Thing = {"cloth": join([carcass, *doors]), "frame": join([foot, *handles])}
    if height < 1 and chance.uniform() < 0.8:
        made = {**made, "body": box((length + 0.02, 0.035, deep + 0.04)).moved((0, height, 0))}
        made = {**made, **_laid(chance, length, deep, height)}
    return made


def _books(chance: np.random.Generator, length: float) -> Mesh:
    books, x = [], -length / 2
    while x < length / 2 - 0.06:
        thick = chance.uniform(0.015, 0.055)
        books.append(box((thick, chance.uniform(0.17, 0.31), 0.2)).moved((x + thick / 2, 0, 0)))
        x += thick + (chance.uniform(0.02, 0.2) if chance.uniform() < 0.1 else 0.002)
    return join(books)


def lamp(chance: np.random.Generator) -> Thing:
    """A pole with a shade and a bulb that shines, as bright as bulbs of a few cm are."""
    height, radius = chance.uniform(0.9, 1.8), chance.uniform(0.1, 0.25)
    pole = lathe([(0.0, 0.0), (0.14, 0.0), (0.14, 0.02), (0.015, 0.04), (0.015, height), (0.0, height)])
    flare = chance.uniform(0.4, 1.0)
    shade = lathe([(radius, height - 0.1), (radius * flare, height + 0.2)])
    return {"frame": pole, "body": shade, "light": ball(chance.uniform(0.02, 0.06)).moved((0, height, 0))}


def plant(chance: np.random.Generator) -> Thing:
    """A pot of thin curved stems with leaves."""
    pot = lathe([(0.0, 0.0), (0.12, 0.0), (0.16, 0.28), (0.14, 0.28), (0.12, 0.2), (0.0, 0.2)])
    stems, leaves = [], []
    for _ in range(int(chance.integers(8, 30))):
        path = _bent(chance, np.array([0, 0.2, 0]), chance.uniform(0.3, 1.0))
        stems.append(tube(path, chance.uniform(0.003, 0.009)))
        for point in path[5::4]:
            side = chance.normal(size=3) * 0.06
            leaves.append(quad(point, side, np.cross(side, [0, 1, 0]) * 0.6 + [0, 0.08, 0]))
    return {"frame": pot, "body": join(stems), "leaf": join(leaves)}


def wires(chance: np.random.Generator) -> Thing:
    """Many thin curves, as of hair, grass or cable."""
    many = [tube(_bent(chance, np.append(chance.normal(size=1) * 0.15, [0, chance.normal() * 0.15]),
                       chance.uniform(0.4, 0.9)), chance.uniform(0.001, 0.005), sides=4)
            for _ in range(int(chance.integers(30, 90)))]  # fmt: skip
    return {"body": join(many)}


def _bent(chance: np.random.Generator, start: np.ndarray, length: float) -> np.ndarray:
    t = np.linspace(0, 1, 18)[:, None]
    lean, curl = chance.normal(size=(1, 3)) * 0.4, chance.normal(size=(1, 3)) * 0.4
    path = start + length * (t * [0, 1, 0] + t * lean + t**2 * curl)
    path[:, 1] = np.maximum(path[:, 1], 0.01)
    return np.asarray(path)


def crate_stack(chance: np.random.Generator) -> Thing:
    """Boxes on boxes, each a little turned."""
    boxes, y = [], 0.0
    for _ in range(int(chance.integers(1, 5))):
        size = chance.uniform(0.2, 0.55, 3)
        boxes.append(box(size).turned(chance.uniform(0, 90)).moved((0, y, 0)))
        y += size[1]
    return {"body": join(boxes[::2]), "other": join(boxes[1::2] or boxes[:1])}


def pedestal(chance: np.random.Generator) -> Thing:
    """A column with an ornament thrice its usual size."""
    height = chance.uniform(0.3, 1.0)
    column = (
        box((0.4, height, 0.4)) if chance.uniform() < 0.5 else lathe([(0.2, 0), (0.2, height), (0, height)])
    )
    top = {role: m.scaled(3).moved((0, height, 0))
           for role, m in ornament(chance).items()}  # fmt: skip
    return {"frame": column, **top}


def vase(chance: np.random.Generator) -> Thing:
    """A turned profile of random waists."""
    heights = np.linspace(0, chance.uniform(0.15, 0.35), 24)
    wave = 0.06 + 0.025 * np.sin(np.linspace(0, chance.uniform(3, 9), 24) + chance.uniform(0, 6))
    return {"body": lathe([(0.0, 0.0), *zip(wave, heights, strict=True)])}


def pebble(chance: np.random.Generator) -> Thing:
    """A displaced ball."""
    return {"body": blob(chance.uniform(0.05, 0.12), chance, chance.uniform(0.02, 0.5))}


def ring(chance: np.random.Generator) -> Thing:
    """A torus, lying or standing."""
    radius, thickness = chance.uniform(0.06, 0.12), chance.uniform(0.01, 0.04)
    lying = torus(radius, thickness)
    return {
        "body": lying if chance.uniform() < 0.5 else lying.turned(90, 0).moved((0, radius + thickness, 0))
    }


def bulb(chance: np.random.Generator) -> Thing:
    """A plain ball."""
    return {"body": ball(chance.uniform(0.04, 0.11), 48)}


def book_pile(chance: np.random.Generator) -> Thing:
    """Books that lie on one another."""
    books = [
        box((0.16, 0.03, 0.22)).turned(chance.uniform(-20, 20)).moved((0, 0.031 * i, 0)) for i in range(5)
    ]
    return {"print": join(books[::2]), "other": join(books[1::2])}


def bottle(chance: np.random.Generator) -> Thing:
    """A bottle with a neck and a label around it."""
    r, h = chance.uniform(0.03, 0.045), chance.uniform(0.2, 0.32)
    glass = lathe([(0, 0), (r, 0), (r, 0.6 * h), (0.35 * r, 0.75 * h), (0.35 * r, h), (0, h)])
    return {"body": glass, "print": lathe([(1.03 * r, 0.15 * h), (1.03 * r, 0.5 * h)])}


def mug(chance: np.random.Generator) -> Thing:
    """An open cup with a handle."""
    r, h = chance.uniform(0.035, 0.05), chance.uniform(0.07, 0.12)
    cup = lathe([(0, 0), (r, 0), (r, h), (0.9 * r, h), (0.9 * r, 0.1 * h), (0, 0.1 * h)])
    handle = torus(0.35 * h, 0.12 * r).turned(90, 0).moved((r, 0.5 * h, 0))
    return {"body": join([cup, handle]).turned(chance.uniform(0, 360))}


def frame(chance: np.random.Generator) -> Thing:
    """A picture in a frame that leans back."""
    w, h = chance.uniform(0.1, 0.25, 2)
    picture = box((w, h, 0.008)).moved((0, 0, 0.006))
    edge = box((w + 0.03, h + 0.03, 0.01)).moved((0, -0.015, 0))
    turn = chance.uniform(-40, 40)
    return {role: m.moved((0, 0.015, 0)).turned(-15, 0).turned(turn)
            for role, m in {"print": picture, "frame": edge}.items()}  # fmt: skip


def bowl(chance: np.random.Generator) -> Thing:
    """An open bowl, thin enough for light inside."""
    r = chance.uniform(0.07, 0.14)
    return {"body": lathe([(0, 0), (0.5 * r, 0), (0.9 * r, 0.4 * r), (r, 0.8 * r), (0.95 * r, 0.8 * r),
                           (0.8 * r, 0.4 * r), (0.4 * r, 0.08 * r), (0, 0.08 * r)])}  # fmt: skip


def cube(chance: np.random.Generator) -> Thing:
    """A small box."""
    return {"body": box(chance.uniform(0.06, 0.2, 3)).turned(chance.uniform(0, 90))}


def cone(chance: np.random.Generator) -> Thing:
    """A cone."""
    return {"body": lathe([(0, 0), (chance.uniform(0.05, 0.1), 0), (0.0, chance.uniform(0.1, 0.3))])}


ORNAMENTS = (vase, vase, pebble, ring, bulb, book_pile, bowl, cube, cone, bottle, frame, mug)
