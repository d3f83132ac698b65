"""Made-up places: meshes, textures, things and maps in numpy; and with Mitsuba, the scenes made of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcdenoise import exr
from mcdenoise.frame import Frame
from renderers.backends._contract import Shot
from renderers.scenes import _buildings, _environments, _furniture, _materials, _meshes, _textures, procedural
from renderers.scenes._meshes import Mesh

SEEDS = range(12)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---- meshes ----


MESHES: dict[str, Callable[[], Mesh]] = {
    "quad": lambda: _meshes.quad((0, 0, 0), (1, 0, 0), (0, 1, 0)),
    "box": lambda: _meshes.box((1, 2, 3)),
    "lathe": lambda: _meshes.lathe([(0.0, 0.0), (0.5, 0.0), (0.5, 1.0)]),
    "ball": lambda: _meshes.ball(0.5),
    "blob": lambda: _meshes.blob(0.5, chance()),
    "torus": lambda: _meshes.torus(0.5, 0.1),
    "tube": lambda: _meshes.tube(np.linspace((0, 0, 0), (0, 1, 0.3), 9), 0.1),
    "terrain": lambda: _meshes.terrain(4, 1, chance()),
    "backdrop": _buildings.backdrop,
    "blinds": lambda: _buildings.blinds(4.0, 4.0, 3.0, 30.0),
    "window wall": lambda: _buildings.window_wall(4.0, 4.0, 3.0, chance())[0],
    "window bars": lambda: _buildings.window_wall(4.0, 4.0, 3.0, chance())[1],
}


@pytest.mark.parametrize("make", MESHES.values(), ids=MESHES.keys())
def test_mesh_has_finite_vertices_and_faces_of_its_own(make: Callable[[], Mesh]) -> None:
    mesh = make()
    assert np.isfinite(mesh.vertices).all()
    assert len(mesh.uv) == len(mesh.vertices)
    assert mesh.faces.min() == 0
    assert mesh.faces.max() == len(mesh.vertices) - 1


@pytest.mark.parametrize("name", ["box", "ball", "blob", "lathe"])
def test_closed_mesh_faces_outwards(name: str) -> None:
    mesh = MESHES[name]()
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    volume = (a * np.cross(b, c)).sum() / 6  # of the tetrahedra between the faces and the origin
    assert volume > 0


def test_box_stands_on_the_origin_in_the_size_asked_for() -> None:
    vertices = _meshes.box((1, 2, 3)).vertices
    np.testing.assert_allclose(vertices.min(axis=0), (-0.5, 0, -1.5))
    np.testing.assert_allclose(vertices.max(axis=0), (0.5, 2, 1.5))


@pytest.mark.parametrize("name", ["ball", "blob", "torus"])
def test_round_mesh_stands_on_the_ground(name: str) -> None:
    np.testing.assert_allclose(MESHES[name]().vertices[:, 1].min(), 0, atol=1e-9)


def test_normals_of_a_ball_point_away_from_its_middle() -> None:
    mesh = _meshes.ball(2.0, 48)
    outwards = (mesh.vertices - [0, 2, 0]) / 2
    between_the_poles = np.abs(outwards[:, 1]) < 0.9
    cosine = (_meshes.normals(mesh) * outwards).sum(axis=1)[between_the_poles]
    assert cosine.min() > 0.99


def test_quarter_turn_about_y_brings_z_to_x() -> None:
    point = Mesh(np.array([[0.0, 0.0, 1.0]]), np.zeros((1, 3), int), np.zeros((1, 2)))
    np.testing.assert_allclose(point.turned(90).vertices, [[1, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(point.turned(90).turned(-90).vertices, point.vertices, atol=1e-12)


def test_joined_meshes_keep_their_own_faces() -> None:
    one, two = _meshes.box((1, 1, 1)), _meshes.ball(1).moved((5, 0, 0))
    both = _meshes.join([one, two])
    np.testing.assert_array_equal(both.vertices[both.faces[: len(one.faces)]], one.vertices[one.faces])
    np.testing.assert_array_equal(both.vertices[both.faces[len(one.faces) :]], two.vertices[two.faces])


# ---- things ----


def made(kind: Callable[[np.random.Generator], _furniture.Thing], seed: int) -> Mesh:
    return _meshes.join(list(kind(chance(seed)).values()))


@pytest.mark.parametrize("kind", [_furniture.thing, _furniture.ornament])
def test_things_stand_on_the_floor_and_fit_into_a_room(
    kind: Callable[[np.random.Generator], _furniture.Thing],
) -> None:
    for seed in range(40):
        vertices = made(kind, seed).vertices
        assert np.isfinite(vertices).all()
        assert vertices[:, 1].min() > -0.05
        assert np.abs(vertices).max() < 4


@pytest.mark.parametrize("kind", [_furniture.thing, _furniture.ornament])
def test_same_chance_makes_the_same_thing_and_another_makes_others(
    kind: Callable[[np.random.Generator], _furniture.Thing],
) -> None:
    np.testing.assert_array_equal(made(kind, 3).vertices, made(kind, 3).vertices)
    assert len({made(kind, seed).vertices.tobytes() for seed in SEEDS}) == len(SEEDS)


# ---- textures and maps ----


def test_textures_are_reflectances() -> None:
    for seed in SEEDS:
        image = _textures.texture(chance(seed))
        assert image.shape == (_textures.SIZE, _textures.SIZE, 3)
        assert image.min() >= 0.01
        assert image.max() <= 0.95


@pytest.mark.parametrize("kind", _textures._KINDS)
def test_every_kind_of_texture_is_a_mask(kind: str) -> None:
    for seed in SEEDS:
        mask = _textures._KINDS[kind](chance(seed))
        assert mask.shape == (_textures.SIZE, _textures.SIZE)
        assert mask.min() >= 0
        assert mask.max() <= 1


def test_noise_goes_on_over_its_edges() -> None:
    field = _textures.noise(chance(), 1.5)
    inside, over_the_edge = np.abs(np.diff(field, axis=1)).mean(), np.abs(field[:, 0] - field[:, -1]).mean()
    assert over_the_edge < 2 * inside


def test_noise_of_a_steeper_slope_is_smoother() -> None:
    rough, smooth = (np.abs(np.diff(_textures.noise(chance(), slope))).mean() for slope in (0.4, 1.8))
    assert smooth < 0.5 * rough


@pytest.mark.parametrize("make", [_environments.sky, _environments.softboxes])
def test_made_up_environments_are_finite_light(
    make: Callable[[np.random.Generator], _textures.Image],
) -> None:
    for seed in SEEDS:
        image = make(chance(seed))
        assert image.shape == (128, 256, 3)
        assert np.isfinite(image).all()
        assert image.min() >= 0
        assert image.max() > 0


def test_environment_from_a_file_is_small_of_mean_one_and_without_negative_light(tmp_path: Path) -> None:
    color = chance().exponential(size=(600, 1200, 3)).astype(np.float32)
    color[10, 10] = -5
    exr.write_frame(tmp_path / "sky.exr", Frame({"color": color}))
    image = _environments.read(tmp_path / "sky.exr")
    assert image.shape == (300, 600, 3)
    assert image.min() >= 0
    np.testing.assert_allclose(image.mean(), 1, rtol=1e-4)


# ---- materials ----


def plugins_in(plugin: Any) -> list[dict[str, Any]]:
    """The plugin and all those inside it."""
    inside = [found for value in plugin.values() if isinstance(value, dict) for found in plugins_in(value)]
    return [plugin, *inside]


def test_materials_have_only_pictures_that_are_reflectances_or_normals() -> None:
    materials = _materials.Materials(chance(), bitmap=lambda image: image)
    for _ in range(60):
        for plugin in plugins_in(materials.any()):
            if plugin["type"] == "bitmap":
                assert plugin["bitmap"].dtype == np.float32
                assert plugin["bitmap"].min() >= 0
                assert plugin["bitmap"].max() <= 1


def test_bumps_are_unit_normals_that_point_out_of_the_surface() -> None:
    image = _materials.Materials(chance(), bitmap=lambda image: image).bumpy()["bsdf"]["normalmap"]["bitmap"]
    normal = image * 2 - 1
    np.testing.assert_allclose(np.linalg.norm(normal, axis=2), 1, atol=1e-5)
    assert normal[..., 2].min() > 0


# ---- scenes ----


def test_name_of_a_scene_holds_the_generators_version_and_its_number() -> None:
    assert procedural.scene_name(42) == f"made{procedural.VERSION}-000042"


# Number, vertices, the camera's place and field of view, which models were trained on.
AS_EVER = [
    (0, 7403, (-0.515, 0.5472, 0.9833), 42.048),
    (1, 3752, (0.0153, 0.7757, 1.487), 50.4547),
    (2, 7999, (1.0197, 0.7481, 1.3619), 38.0228),
    (3, 29952, (0.9413, 1.8891, 5.0), 37.3993),
    (900_000, 10134, (0.4272, 0.7392, 0.6267), 33.4603),
]


@pytest.mark.render
@pytest.mark.parametrize(("number", "vertices", "eye", "fov"), AS_EVER)
def test_number_gives_the_scene_that_it_always_gave(
    number: int, vertices: int, eye: tuple[float, ...], fov: float
) -> None:
    scene = procedural.open_scene(number, None)
    matrix, own_fov = scene._own
    assert sum(shape.vertex_count() for shape in scene._scene.shapes()) == vertices
    np.testing.assert_allclose(matrix[:3, 3], eye, atol=1e-3)
    assert own_fov == pytest.approx(fov, abs=1e-3)


@pytest.mark.render
@pytest.mark.parametrize("number", [0, 1, 7])
def test_made_up_scene_shows_light_and_things(number: int) -> None:
    scene = procedural.open_scene(number, None)
    scene.look(0, chance())
    frame = scene.render(Shot(spp=4, seed=1, filter="box", width=16, height=16))
    assert all(np.isfinite(plane).all() for plane in frame.planes.values())
    assert frame.color.mean() > 0
    assert (frame.planes["depth"] > 0).mean() > 0.3
    assert len(np.unique(frame.planes["normal"].round(1).reshape(-1, 3), axis=0)) > 5


@pytest.mark.render
def test_environment_maps_light_some_scenes_in_place_of_the_made_up_sky(tmp_path: Path) -> None:
    white = Frame({"color": np.ones((8, 16, 3), np.float32)})
    exr.write_frame(tmp_path / "white.exr", white)

    def sky(number: int) -> np.ndarray:
        mi = procedural.start()
        return np.array(mi.traverse(procedural.open_scene(number, tmp_path)._scene)["environment.data"])

    is_white = [np.allclose(sky(number)[..., :3], 1) for number in range(6)]
    assert any(is_white)
    assert not all(is_white)
