import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcdenoise.errors import SceneError
from renderers import cameras

UP = np.array([0.0, 1.0, 0.0])
# A room of 6 x 3 x 6 metres, its floor at y = 0, with a ball beside a ball all over it.
ROOM_LOW, ROOM_HIGH = np.array([-3.0, 0.0, -3.0]), np.array([3.0, 3.0, 3.0])
BALLS = np.array(
    [(x, y, z) for x in (-2.4, -1.2, 0, 1.2, 2.4) for y in (0.4, 1.4, 2.4) for z in (-2.4, -1.2, 0, 1.2)]
)
RADIUS = 0.3
DOOR = cameras.look_at(np.array([0.0, 1.0, 2.6]), np.array([0.0, 1.0, 0.0]), UP)


def room(origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rays from inside the room against its walls and the balls."""
    hits = [_walls(origins, directions), *(_ball(center, origins, directions) for center in BALLS)]
    distances, normals = (np.stack(parts) for parts in zip(*hits, strict=True))
    first, rays = distances.argmin(axis=0), np.arange(len(origins))
    return distances[first, rays], normals[first, rays]


def _walls(origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        to_planes = np.stack([(ROOM_LOW - origins) / directions, (ROOM_HIGH - origins) / directions])
    to_planes = np.where(to_planes > 1e-6, to_planes, np.inf).min(axis=0)
    return to_planes.min(axis=1), -np.sign(directions) * np.eye(3)[to_planes.argmin(axis=1)]


def _ball(center: np.ndarray, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    away = origins - center
    b, c = (away * directions).sum(1), (away**2).sum(1) - RADIUS**2
    distances = -b - np.sqrt(np.maximum(b**2 - c, 0))
    distances = np.where((b**2 > c) & (distances > 1e-6), distances, np.inf)
    with np.errstate(invalid="ignore"):
        return distances, (away + distances[:, None] * directions) / RADIUS


def nothing(origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.full(len(origins), np.inf), np.zeros_like(directions)


def wall(origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inside of a ball so large that it is flat."""
    return np.full(len(origins), 1000.0), -directions


def find(cast: cameras.Cast, seed: int) -> tuple[np.ndarray, float]:
    return cameras.find(cast, DOOR, 60.0, np.random.default_rng(seed), where="room")


@settings(deadline=None, max_examples=50)
@given(
    origin=st.tuples(*[st.floats(-10, 10)] * 3),
    forward=st.tuples(st.floats(-1, 1), st.floats(-0.9, 0.9), st.floats(0.2, 1)),
)
def test_look_at_is_a_rotation_whose_z_points_at_the_target(
    origin: tuple[float, ...], forward: tuple[float, ...]
) -> None:
    eye, towards = np.array(origin), np.array(forward)
    matrix = cameras.look_at(eye, eye + towards, UP)
    np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(matrix[:3, :3]), 1)
    np.testing.assert_allclose(matrix[:3, 2], towards / np.linalg.norm(towards), atol=1e-9)
    np.testing.assert_allclose(matrix[:3, 3], eye)


def test_look_at_keeps_the_head_up_and_x_to_the_left() -> None:
    matrix = cameras.look_at(np.zeros(3), np.array([0.0, 0.0, 1.0]), UP)
    np.testing.assert_allclose(matrix[:3, :3], np.eye(3))  # to one who looks along z with y up, x is left


def test_grid_of_directions_fills_the_field_of_view_evenly() -> None:
    directions = cameras.grid_directions(np.eye(4), 90.0, count=64)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    on_picture = directions[:, :2] / directions[:, 2:]
    np.testing.assert_allclose(np.abs(on_picture).max(), 63 / 64)
    np.testing.assert_allclose(on_picture.mean(axis=0), 0, atol=1e-12)


def test_found_cameras_stand_in_the_room_and_not_in_a_ball() -> None:
    for seed in range(20):
        matrix, fov = find(room, seed)
        eye = matrix[:3, 3]
        assert (eye > ROOM_LOW).all()
        assert (eye < ROOM_HIGH).all()
        assert np.linalg.norm(eye - BALLS, axis=1).min() > RADIUS
        assert 12 <= fov <= 90


def test_same_chance_finds_the_same_camera_and_another_finds_another() -> None:
    np.testing.assert_array_equal(find(room, 1)[0], find(room, 1)[0])
    assert not np.array_equal(find(room, 1)[0], find(room, 2)[0])


def test_found_cameras_look_in_many_directions() -> None:
    directions = np.array([find(room, seed)[0][:3, 2] for seed in range(20)])
    assert np.linalg.norm(directions.mean(axis=0)) < 0.9


@pytest.mark.parametrize("cast", [nothing, wall])
def test_place_that_shows_nothing_is_an_error_that_says_where_and_what_to_do(cast: cameras.Cast) -> None:
    with pytest.raises(SceneError, match=r"^room: found no further camera .*; ask for fewer --views"):
        find(cast, 1)


def test_surface_right_before_the_lens_is_not_worth_a_look() -> None:
    def behind_a_leaf(origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        distances, normals = room(origins, directions)
        is_leaf = np.arange(len(origins)) % 10 == 0
        return np.where(is_leaf, 0.01, distances), normals

    with pytest.raises(SceneError, match="found no further camera"):
        find(behind_a_leaf, 1)
