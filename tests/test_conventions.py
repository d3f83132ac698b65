"""conventions: guides of other programs are recognised by their values."""

from collections.abc import Callable

import numpy as np
import pytest

from mcdenoise import conventions
from mcdenoise.frame import Plane

SIZE = (40, 60)


def normals(*, seed: int = 0) -> Plane:
    """A ball in front of a floor: unit vectors in camera space, z towards the viewer, 0 where nothing is."""
    y, x = np.mgrid[-1 : 1 : SIZE[0] * 1j, -1.5 : 1.5 : SIZE[1] * 1j]
    z = np.sqrt(np.clip(1 - x * x - y * y, 0, None))
    ball = np.stack([x, -y, z], axis=2)
    floor = np.broadcast_to(np.array([0, 0.9, np.sqrt(1 - 0.81)]), ball.shape)
    plane = np.where(z[..., None] > 0, ball, np.where(y[..., None] > 0.2, floor, 0))
    return plane.astype(np.float32)


def distances() -> Plane:
    """A floor seen from above it: 1/z runs straight."""
    rows = 1 / np.linspace(0.1, 0.9, SIZE[0])
    columns = np.linspace(0, 0.4, SIZE[1])
    return (1 / (1 / rows[:, None] + columns))[..., None].astype(np.float32) * 4


def settled(name: str, plane: Plane, *, guessed: bool = False) -> tuple[Plane | None, str]:
    result = conventions.settle({name: plane}, {name} if guessed else ())
    return result.planes.get(name), result.notes.get(name, "")


@pytest.mark.parametrize("name", ["albedo", "normal", "depth"])
def test_what_is_stored_as_the_network_knows_it_stays_to_the_bit(name: str) -> None:
    plane = {"albedo": np.clip(normals(), 0, 1), "normal": normals(), "depth": distances()}[name]
    assert settled(name, plane) == (plane, "") or settled(name, plane)[0] is plane


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (lambda n: n * 0.5 + 0.5, "stored 0..1: unpacked"),
        (lambda n: n * 3, "not of unit length: normalised"),
        (lambda n: n * [1, 1, -1], "camera space with z away from the viewer: flipped"),
        (lambda n: (n * [1, 1, -1]) * 0.5 + 0.5, "stored 0..1: unpacked, camera space with z away from"),
    ],
)
def test_normals_of_another_convention_come_out_as_they_were(
    store: Callable[[np.ndarray], np.ndarray], said: str
) -> None:
    plane, note = settled("normal", store(normals()).astype(np.float32))
    assert note.startswith(said)
    np.testing.assert_allclose(plane, normals(), atol=1e-5)


def test_normals_in_world_space_stay_whatever_their_z() -> None:
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)  # y up to z up
    world = (normals() @ turn.T).astype(np.float32)
    assert settled("normal", world)[1] == ""


def test_normals_that_all_point_into_one_octant_are_not_taken_for_packed() -> None:
    wall = np.broadcast_to(np.array([0.6, 0, 0.8], np.float32), (*SIZE, 3)).copy()
    assert settled("normal", wall)[1] == ""


def test_albedo_beyond_one_is_clipped_and_its_share_told() -> None:
    albedo = np.full((10, 10, 3), 0.5, np.float32)
    albedo[0, :2] = 31
    plane, note = settled("albedo", albedo)
    assert note == "over 1 in 2 % of pixels: clipped"
    assert plane is not None
    assert plane.max() == 1


def test_albedo_in_bytes_is_divided() -> None:
    plane, note = settled("albedo", (np.clip(normals(), 0, 1) * 200 + 20).astype(np.float32))
    assert note == "stored 0..255: divided"
    assert plane is not None
    assert 0.5 < plane.max() <= 1


@pytest.mark.parametrize("far", [1e30, 65504.0, 1e9, np.inf])
def test_huge_background_of_depth_is_nothing(far: float) -> None:
    depth = distances()
    depth[:5] = far
    plane, note = settled("depth", depth)
    assert ("taken as nothing" in note) or ("Inf taken as 0" in note)
    assert plane is not None
    np.testing.assert_array_equal(plane[5:], distances()[5:])
    assert not plane[:5].any()


def test_far_plane_that_was_hit_is_no_background() -> None:
    depth = distances()
    depth[:5] = depth.max() * 3
    assert settled("depth", depth)[1] == ""


def test_inverse_depth_is_inverted_and_depth_is_not() -> None:
    plane, note = settled("depth", (1 / distances()).astype(np.float32))
    assert note == "stored as 1/z: inverted"
    np.testing.assert_allclose(plane, distances(), rtol=1e-5)
    near = distances() / distances().max() * np.float32(0.99)
    assert settled("depth", near)[1] == ""


def test_negative_depth_is_turned_round() -> None:
    plane, note = settled("depth", -distances())
    assert note.startswith("negative")
    np.testing.assert_array_equal(plane, distances())


@pytest.mark.parametrize(
    ("name", "plane"),
    [
        ("albedo", np.full((8, 8, 3), -1.0, np.float32)),
        ("albedo", np.full((8, 8, 3), 7.0, np.float32)),
        ("normal", np.full((8, 8, 3), 40.0, np.float32)),
        ("depth", np.zeros((8, 8, 1), np.float32)),
    ],
)
def test_guess_that_its_values_deny_is_left_out(name: str, plane: Plane) -> None:
    dropped, note = settled(name, plane, guessed=True)
    assert dropped is None
    assert note.startswith("left out: ")
    assert settled(name, plane)[0] is not None, "what a table names is kept"


def test_broken_guides_are_counted() -> None:
    normal = normals()
    normal[0, :3], normal[1, 0] = np.nan, np.inf
    assert settled("normal", normal)[1] == "4 pixels of NaN or Inf taken as 0"


def test_faults_are_told_apart() -> None:
    color = np.ones((4, 4, 3), np.float32)
    color[0, 0], color[0, 1, 2], color[1, 1], color[2, 2, 0] = np.nan, -np.inf, 1e30, -0.5
    assert conventions.faults(color) == {"NaN or Inf": 2, "more than 1e+12": 1, "less than 0": 1}
