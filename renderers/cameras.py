"""Finds cameras in a scene by casting rays: in free space, not in a wall, not staring at one surface."""

from collections.abc import Callable, Sequence

import numpy as np

from mcdenoise.errors import SceneError

# Rays in, distances (n, inf for a miss) and normals (n 3) out.
Cast = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

TRIES = 80
GRID = 24
# Below this share of edges a view shows little more than a wall or a floor.
LEAST_EDGES = 0.12
# Below this share of the picture there is more sky than place.
LEAST_SHOWN = 0.35


def find(
    cast: Cast, camera: np.ndarray, fov: float, chance: np.random.Generator, *, where: str
) -> tuple[np.ndarray, float]:
    """A camera-to-world matrix (4 4) and a field of view (degrees) near those given.

    Raises:
        SceneError: no try shows enough of the scene.
    """
    reach, covered = _reach(cast, camera, fov)
    for _ in range(TRIES):
        candidate, candidate_fov = _jitter(cast, camera, fov, reach, chance)
        if _is_worth_a_look(
            cast, candidate, candidate_fov, reach, least_hits=LEAST_SHOWN + 0.5 * max(covered - 0.5, 0)
        ):
            return candidate, candidate_fov
    raise SceneError(
        f"{where}: found no further camera in {TRIES} tries, nor would it in another run; "
        "ask for fewer --views or another --camera-seed"
    )


def first_of(cast: Cast, candidates: Sequence[tuple[np.ndarray, float]]) -> tuple[np.ndarray, float]:
    """The first from which there is something to see; the one with most to see if there is none."""
    seen = [_shown(cast, camera, fov, _reach(cast, camera, fov)[0]) for camera, fov in candidates]
    good = [index for index, (hit, edges) in enumerate(seen) if hit > LEAST_SHOWN and edges > LEAST_EDGES]
    return candidates[good[0] if good else int(np.argmax([edges for _, edges in seen]))]


def look_at(origin: np.ndarray, target: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Camera-to-world matrix (4 4) in Mitsuba's convention: x left, y up, z forward."""
    forward = _unit(target - origin)
    left = _unit(np.cross(up, forward))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([left, np.cross(forward, left), forward], axis=1)
    matrix[:3, 3] = origin
    return matrix


def grid_directions(camera: np.ndarray, fov: float, count: int = GRID) -> np.ndarray:
    """`count` x `count` unit directions through a square picture, in world space."""
    half = np.tan(np.radians(fov) / 2)
    steps = (np.arange(count) + 0.5) / count * 2 - 1
    x, y = np.meshgrid(steps * half, steps * half)
    local = np.stack([x.ravel(), y.ravel(), np.ones(count * count)], axis=1)
    world = local @ camera[:3, :3].T
    return np.asarray(world / np.linalg.norm(world, axis=1, keepdims=True))


def _jitter(
    cast: Cast, camera: np.ndarray, fov: float, reach: float, chance: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Walk from the camera part of the way to whatever is next in a random direction, then look elsewhere."""
    origin, forward, up = camera[:3, 3], camera[:3, 2], camera[:3, 1]
    step = _unit(chance.normal(size=3) * [1, 1, 1] + forward * 0.7)
    step -= up * (step @ up) * 0.6
    free = min(float(cast(origin[None], _unit(step)[None])[0][0]), 2.5 * reach)
    moved = origin + _unit(step) * free * chance.uniform(0.0, 0.75)
    aim = _unit(forward + chance.normal(size=3) * chance.choice([0.15, 0.5, 1.2]) * [1, 1, 1])
    aim = _unit(aim - up * (aim @ up) * 0.4)
    return look_at(moved, moved + aim, up), float(np.clip(fov * chance.uniform(0.45, 1.2), 12, 90))


def _reach(cast: Cast, camera: np.ndarray, fov: float) -> tuple[float, float]:
    """Median distance of what the camera sees, and the share of the picture that shows something."""
    directions = grid_directions(camera, fov)
    distances, _ = cast(np.repeat(camera[None, :3, 3], len(directions), 0), directions)
    seen = distances[np.isfinite(distances)]
    return (float(np.median(seen)) if seen.size else 1.0), seen.size / distances.size


def _is_worth_a_look(cast: Cast, camera: np.ndarray, fov: float, reach: float, *, least_hits: float) -> bool:
    hit, edges = _shown(cast, camera, fov, reach)
    return hit >= least_hits and edges > LEAST_EDGES


def _shown(cast: Cast, camera: np.ndarray, fov: float, reach: float) -> tuple[float, float]:
    """The shares of the picture that show something and that show edges; no edges right before the lens."""
    directions = grid_directions(camera, fov)
    distances, normals = cast(np.repeat(camera[None, :3, 3], len(directions), 0), directions)
    hit = np.isfinite(distances)
    if not hit.any() or np.quantile(distances[hit], 0.03) < 0.04 * reach:
        return float(hit.mean()), 0.0
    return float(hit.mean()), _edges(distances.reshape(GRID, GRID), normals.reshape(GRID, GRID, 3))


def _edges(distances: np.ndarray, normals: np.ndarray) -> float:
    """The share of neighbouring rays, right and below, between which the surface turns or breaks."""
    nearness = 1 / distances  # linear across a plane, 0 for a miss
    found = []
    for axis in (0, 1):
        turns = np.linalg.norm(np.diff(normals, axis=axis), axis=2) > 0.3
        breaks = np.abs(np.diff(nearness, n=2, axis=axis)) > 0.1 * np.median(nearness)
        found += [turns.mean(), breaks.mean()]
    return float(max(found[0], found[1]) + max(found[2], found[3])) / 2


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))
