"""Made-up places: meshes, things, pictures, maps and materials, all in numpy."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcdenoise import exr
from mcdenoise.frame import Frame
from renderers.scenes import (
    _buildings,
    _catalogue,
    _environments,
    _furniture,
    _materials,
    _meshes,
    _photographs,
    _pictures,
    _reliefs,
    _textures,
    _thin,
    _writing,
)
from renderers.scenes._meshes import Mesh
from renderers.scenes._pictures import Draw, Picture

SEEDS = range(12)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def named(draw: Draw) -> str:
    return draw.__name__


# ---- meshes ----


MESHES: dict[str, Callable[[], Mesh]] = {
    "quad": lambda: _meshes.quad((0, 0, 0), (1, 0, 0), (0, 1, 0)),
    "box": lambda: _meshes.box((1, 2, 3)),
    "lathe": lambda: _meshes.lathe([(0.0, 0.0), (0.5, 0.0), (0.5, 1.0)]),
    "ball": lambda: _meshes.ball(0.5),
    "blob": lambda: _meshes.blob(0.5, chance()),
    "torus": lambda: _meshes.torus(0.5, 0.1),
    "tube": lambda: _meshes.tube(np.linspace((0, 0, 0), (0, 1, 0.3), 9), 0.1),
    "cushion": lambda: _meshes.cushion((0.5, 0.2, 0.4)),
    "drape": lambda: _meshes.drape(1.0, 2.0, 6, chance()),
    "colonnade": lambda: _buildings.colonnade(5.0, 9.0, 4.0, chance()),
    "facade": lambda: _meshes.join(list(_buildings.facade(chance()).values())),
    "terrain": lambda: _meshes.terrain(4, 1, chance()),
    "backdrop": _buildings.backdrop,
    "blinds": lambda: _buildings.blinds(4.0, 4.0, 3.0, chance(0)),
    "upright blinds": lambda: _buildings.blinds(4.0, 4.0, 3.0, chance(3)),
    "louvre": lambda: _meshes.join(list(_thin.louvre(chance(0)).values())),
    "louvre on its side": lambda: _meshes.join(list(_thin.louvre(chance(4)).values())),
    "grating": lambda: _meshes.join(list(_thin.grating(chance()).values())),
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


@pytest.mark.parametrize("name", ["box", "ball", "blob", "lathe", "cushion"])
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


KINDS = [*{*_catalogue.SOLID, *_catalogue.THIN}, *_furniture.ORNAMENTS, _buildings.stairs]


@pytest.mark.parametrize("kind", sorted({*KINDS}, key=lambda kind: kind.__name__), ids=lambda k: k.__name__)
def test_things_stand_on_the_floor_and_fit_into_a_room(
    kind: Callable[[np.random.Generator], _furniture.Thing],
) -> None:
    for seed in range(4):
        vertices = made(kind, seed).vertices
        assert np.isfinite(vertices).all()
        assert vertices[:, 1].min() > -0.15
        assert np.abs(vertices).max() < 4


@pytest.mark.parametrize("kind", [_catalogue.thing, _furniture.ornament])
def test_same_chance_makes_the_same_thing_and_another_makes_others(
    kind: Callable[[np.random.Generator], _furniture.Thing],
) -> None:
    np.testing.assert_array_equal(made(kind, 3).vertices, made(kind, 3).vertices)
    assert len({made(kind, seed).vertices.tobytes() for seed in SEEDS}) == len(SEEDS)


# ---- textures and maps ----


@pytest.mark.parametrize("draw", [*_textures.PATTERNS, *_textures.PRINTS, _textures.leaf_green], ids=named)
def test_textures_are_reflectances(draw: Draw) -> None:
    for seed in range(3):
        image = draw(chance(seed))
        assert image.shape[2] == 3
        assert image.min() >= 0.01 - 1e-9
        assert image.max() <= 0.95 + 1e-9
        np.testing.assert_array_equal(image, draw(chance(seed)))


@pytest.mark.parametrize("kind", _textures.MASKS, ids=named)
def test_every_pattern_is_a_mask(kind: Draw) -> None:
    for seed in range(4):
        mask = kind(chance(seed))
        assert mask.shape == (_textures.SIZE, _textures.SIZE)
        assert mask.min() >= 0
        assert mask.max() <= 1


@pytest.mark.parametrize("draw", [*_reliefs.LEAVES, *_reliefs.CUTOUTS], ids=named)
def test_cut_outs_are_holes_and_what_is_between_them(draw: Draw) -> None:
    for seed in SEEDS:
        opacity = draw(chance(seed))
        assert {*np.unique(opacity)} == {0.0, 1.0}
        assert 0.03 < opacity.mean() < 0.97


@pytest.mark.parametrize("draw", [*_reliefs.BUMPS, *_reliefs.DENTS], ids=named)
def test_bumps_are_unit_normals_that_point_out_of_the_surface(draw: Draw) -> None:
    normal = draw(chance()) * 2 - 1
    np.testing.assert_allclose(np.linalg.norm(normal, axis=2), 1, atol=1e-5)
    assert normal[..., 2].min() > 0
    assert normal[..., 2].std() > 0


# Of the pixels, as scikit-image 0.26 ships them: others would make other scenes of the same numbers.
PHOTOGRAPHS = {
    "astronaut": "59968ec6dce9",
    "chelsea": "1b99d40a0f8d",
    "coffee": "612ab3876e41",
    "hubble_deep_field": "6724c2d3e964",
    "immunohistochemistry": "eb45bb24f1b1",
    "rocket": "4930a0869fb2",
    "brick": "b0273a85d178",
    "camera": "57a15e32c89a",
    "coins": "2d1d4ed250d0",
    "grass": "46596998eab7",
    "gravel": "b5106da037b8",
    "moon": "a20368117e0d",
    "page": "32eeed10191f",
    "text": "2fb8efb3f0c8",
}


@pytest.mark.parametrize("name", [*_photographs.COLORED, *_photographs.GREY])
def test_photographs_are_those_they_always_were_and_lie_in_the_wheel(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetchers = pytest.importorskip("skimage.data._fetchers")
    monkeypatch.setattr(fetchers, "_image_fetcher", None)  # as without pooch: nothing can be downloaded
    monkeypatch.setattr(fetchers, "data_dir", "/nowhere/data", raising=False)
    pixels = (_photographs.read(name) * 1e4).round().astype(np.int32)
    assert hashlib.sha256(pixels.tobytes()).hexdigest()[:12] == PHOTOGRAPHS[name]


def test_pages_are_dark_writing_on_light_paper() -> None:
    for seed in SEEDS:
        image = _writing.page(chance(seed)).mean(axis=2)
        assert np.median(image) > 0.5
        assert (image < 0.3).mean() > 0.01


def test_words_are_many() -> None:
    generator = chance()
    assert len({_writing.word(generator) for _ in range(200)}) > 150


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


def test_sun_of_an_environment_is_clamped(tmp_path: Path) -> None:
    color = np.full((256, 512, 3), 1e-3, np.float32)
    color[3, 3] = 1e6
    exr.write_frame(tmp_path / "sun.exr", Frame({"color": color}))
    image = _environments.read(tmp_path / "sun.exr")
    assert image.max() / image.min() < 1e5 * _environments.BRIGHTEST
    np.testing.assert_allclose(image.mean(), 1, rtol=1e-3)


# ---- materials ----


def plugins_in(plugin: Any) -> list[dict[str, Any]]:
    """The plugin and all those inside it."""
    inside = [found for value in plugin.values() if isinstance(value, dict) for found in plugins_in(value)]
    return [plugin, *inside]


@pytest.mark.parametrize("draw", ["any", "opaque", "print", "foliage", "dark"])
def test_materials_have_only_pictures_that_are_reflectances_normals_or_opacities(draw: str) -> None:
    materials = _materials.Materials(chance())
    for _ in range(12):
        for plugin in plugins_in(getattr(materials, draw)().plugin):
            if plugin["type"] == "bitmap":
                picture = plugin["bitmap"]
                pixels = picture.pixels() if isinstance(picture, Picture) else picture
                assert pixels.dtype == np.float32
                assert pixels.min() >= 0
                assert pixels.max() <= 1


def test_same_picture_is_drawn_each_time() -> None:
    picture = _pictures.pick(_textures.PATTERNS, chance())
    np.testing.assert_array_equal(picture.pixels(), picture.pixels())
