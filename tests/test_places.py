"""Made-up scenes from a number: first as data, then rendered."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcdenoise import exr
from mcdenoise.frame import Frame
from renderers import cameras
from renderers.backends._contract import Shot
from renderers.backends.mitsuba import MitsubaScene
from renderers.scenes import (
    _colors,
    _lights,
    _loading,
    _materials,
    _media,
    _reliefs,
    _textures,
    procedural,
)
from renderers.scenes._meshes import ball, box
from renderers.scenes._pictures import Picture
from renderers.scenes._place import Builder, Place

describe = cache(procedural.describe)
FEW = range(6)


def pictures(value: Any) -> Iterator[Picture]:
    """All pictures that a plugin shows."""
    if isinstance(value, Picture):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from pictures(inner)


def told(place: Place) -> str:
    """All of a place in words, but for its pixels."""

    def plain(value: Any) -> Any:
        return value.tolist() if isinstance(value, np.ndarray) else f"{value.kind} {value.seed}"

    parts = [(p.material.plugin, p.light and p.light.plugin, p.filling and p.filling.plugin, p.mesh.vertices)
             for p in place.parts]  # fmt: skip
    lights = [light.plugin for light in place.lights]
    return json.dumps([place.kind, place.has_lens, parts, lights, place.cameras], default=plain)


def test_name_of_a_scene_holds_the_generators_version_and_its_number() -> None:
    assert procedural.scene_name(42) == f"made{procedural.VERSION}-000042"


@pytest.mark.parametrize("number", [*FEW, procedural.FIRST_VALIDATION])
def test_number_gives_the_same_place_twice_and_no_other_gives_it(number: int) -> None:
    assert told(describe(number)) == told(procedural.describe(number))
    assert told(describe(number)) != told(describe(number + 1))


# Number, kind, vertices, the first camera's place: which models were trained on.
AS_EVER = [
    (0, "table", 9929, (0.4206, 0.9483, 0.5568)),
    (2, "street", 28117, (-0.2508, 2.1531, 4.6472)),
    (3, "hills", 29170, (-0.4486, 1.5683, 5.0)),
    (9, "studio", 11698, (-0.5603, 0.7201, 1.0324)),
    (900_001, "room", 14056, (-0.5233, 1.124, 2.3383)),
]


@pytest.mark.parametrize(("number", "kind", "vertices", "eye"), AS_EVER)
def test_number_gives_the_place_that_it_always_gave(
    number: int, kind: str, vertices: int, eye: tuple[float, ...]
) -> None:
    place = describe(number)
    assert place.kind == kind
    assert sum(len(part.mesh.vertices) for part in place.parts) == vertices
    np.testing.assert_allclose(place.cameras[0][0][:3, 3], eye, atol=1e-3)


def test_places_are_finite_lit_and_seen() -> None:
    for number in FEW:
        place = describe(number)
        assert place.all_lights
        assert len(place.cameras) > 1
        for part in place.parts:
            assert np.isfinite(part.mesh.vertices).all()
            assert len(part.mesh.faces)
        for matrix, fov in place.cameras:
            assert np.isfinite(matrix).all()
            assert 10 < fov < 100


def test_photographed_skies_change_the_sky_and_nothing_else(tmp_path: Path) -> None:
    exr.write_frame(tmp_path / "white.exr", Frame({"color": np.ones((8, 16, 3), np.float32)}))
    with_maps = [procedural.describe(number, tmp_path) for number in FEW]
    skies = {light.kind for place in with_maps for light in place.lights}
    assert "map" in skies
    assert len(skies) > 1
    for number, place in zip(FEW, with_maps, strict=True):
        assert told(replace(place, lights=())) == told(replace(describe(number), lights=()))


def test_light_is_spread_over_six_stops() -> None:
    exposures = [np.log2(Builder(np.random.default_rng(seed), None).exposure) for seed in range(200)]
    assert min(exposures) < -2.7
    assert max(exposures) > 2.7
    assert np.std(exposures) > 1.5


def test_area_light_gives_the_power_asked_for_whatever_its_size() -> None:
    meshes = [box((size, size, size)) for size in (0.01, 1.0)]
    lights = [_lights.area("lamp", mesh, 8.0, np.random.default_rng(1)) for mesh in meshes]
    for mesh, light in zip(meshes, lights, strict=True):
        assert light.plugin["radiance"]["value"][0] * mesh.area == pytest.approx(8.0)


@pytest.mark.parametrize("make", [_media.smoke, _media.milk, _media.juice])
def test_fillings_let_some_light_through(make: Any) -> None:
    for seed in range(20):
        medium = make(0.1, np.random.default_rng(seed)).plugin
        assert 0.3 < medium["sigma_t"] * 0.1 < 21
        assert 0 < min(medium["albedo"]["value"]) <= max(medium["albedo"]["value"]) < 1


def test_half_of_all_surfaces_are_of_one_colour_and_places_differ_in_that() -> None:
    def share(seed: int) -> float:
        made = _materials.Materials(np.random.default_rng(seed))
        colors = [made.diffuse()["bsdf"]["reflectance"]["bitmap"] for _ in range(20)]
        return float(
            np.mean(
                [isinstance(color, np.ndarray) and np.ptp(color, axis=(0, 1)).max() == 0 for color in colors]
            )
        )

    shares = [share(seed) for seed in range(60)]
    assert 0.4 < np.mean(shares) < 0.6
    assert min(shares) < 0.1
    assert max(shares) > 0.9


def test_every_fifth_colour_is_a_white() -> None:
    chance = np.random.default_rng(0)
    colors = np.array([_colors.color(chance) for _ in range(2000)])
    assert 0.2 < (colors.min(1) > 0.6).mean() < 0.3
    assert (np.array([_colors.color(chance, most=0.5) for _ in range(200)]) <= 0.5).all()


@pytest.mark.slow
def test_every_kind_of_thing_turns_up_in_two_hundred_scenes() -> None:
    places = [procedural.describe(number) for number in range(200)]
    plugins = [part.material.plugin for place in places for part in place.parts]
    plugins += [light.plugin for place in places for light in place.all_lights]
    drawn = {picture.kind for plugin in plugins for picture in pictures(plugin)}
    every = (*_textures.PATTERNS, *_textures.PRINTS, *_reliefs.BUMPS, *_reliefs.LEAVES, *_reliefs.CUTOUTS)
    assert {draw.__name__ for draw in every} <= drawn
    materials = {part.material.kind for place in places for part in place.parts}
    assert {*_materials.ANYTHING, *_materials.OPAQUE, "print", "foliage", "dark", "air", "skin"} <= materials
    assert {light.kind for place in places for light in place.all_lights} == {
        "panel", "bulb", "tube", "screen", "spot", "lantern", "softbox", "candle", "sky", "sun and sky",
        "softboxes",
    }  # fmt: skip
    assert {p.filling.kind for place in places for p in place.parts if p.filling} == {
        "smoke",
        "milk",
        "juice",
    }
    assert {place.kind for place in places} == {layout.__name__ for layout in procedural.LAYOUTS}
    assert 0.15 < np.mean([place.has_lens for place in places]) < 0.45


# ---- rendered ----

SHOT = Shot(spp=4, seed=1, filter="box", width=24, height=24)
# A scene of each layout, with media and lenses among them.
RENDERED = (0, 1, 2, 7, 30, 43)


@pytest.mark.render
@pytest.mark.parametrize("number", RENDERED)
def test_made_up_scene_shows_light_and_things(number: int) -> None:
    scene = procedural.open_scene(number, None)
    for view in range(2):
        scene.look(view, np.random.default_rng(view))
        frame = scene.render(SHOT)
        assert all(np.isfinite(plane).all() for plane in frame.planes.values())
        assert frame.color.mean() > 0
        assert (frame.planes["depth"] > 0).mean() > 0.3
        assert len(np.unique(frame.planes["normal"].round(1).reshape(-1, 3), axis=0)) > 5


@pytest.mark.render
@pytest.mark.parametrize("kind", sorted({*_materials.ANYTHING, *_materials.OPAQUE}))
def test_material_is_one_that_mitsuba_loads_and_that_gives_no_nan(kind: str) -> None:
    chance = np.random.default_rng(7)
    b = Builder(chance, None)
    material = _materials.Material(kind, getattr(_materials.Materials(chance), kind)())
    b.add(box((1.0, 1.0, 1.0)).turned(30), material)
    b.add(ball(0.4).moved((1, 0, 0)), material)
    b.open_sky(1.0)
    camera = (cameras.look_at(np.array([0, 1.5, 4.0]), np.array([0, 0.5, 0]), _lights.UP), 40.0)
    place = b.place("test", [camera])
    scene = MitsubaScene.from_choice(_loading.load(place), "test", place.cameras, has_lens=False)
    frame = scene.render(SHOT)
    assert all(np.isfinite(plane).all() for plane in frame.planes.values())
    assert frame.planes["albedo"].max() <= 1


@pytest.mark.render
def test_thin_lens_blurs_what_is_out_of_focus_in_the_guides_too() -> None:
    number = next(n for n in range(50) if describe(n).has_lens)
    scene = procedural.open_scene(number, None)
    scene.look(0, np.random.default_rng(0))
    assert 0 < scene._aperture < 0.1 * scene._focus
    blurred = scene.render(SHOT).planes["depth"]
    scene._aperture = 1e-6 * scene._focus
    for sensor in scene._sensors.values():
        scene._aim(sensor)
    sharp = scene.render(SHOT).planes["depth"]
    assert not np.allclose(blurred, sharp, rtol=1e-3)
