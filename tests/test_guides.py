"""What albedo, normal and depth say of each material: a ball before a blue floor, rendered by Mitsuba."""

from typing import Any

import numpy as np
import pytest

from mcdenoise.frame import Frame
from renderers import cameras
from renderers.backends import _variant
from renderers.backends._contract import Shot
from renderers.backends.mitsuba import MitsubaScene

pytestmark = pytest.mark.render

SHOT = Shot(spp=32, seed=1, filter="box", width=24, height=24)
BALL, FLOOR, SKY = np.s_[10:14, 10:14], np.s_[22:, :4], np.s_[:3, :]
RED, BLUE, WHITE, BLACK = (0.6, 0.3, 0.1), (0.2, 0.5, 0.7), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
GREY = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.5}}


@pytest.fixture(scope="module", autouse=True)
def _needs_a_variant_that_compiles() -> None:
    if "scalar" in _variant.start().variant():
        pytest.skip("no LLVM: guides are those of the first surface")


def rgb(value: tuple[float, ...]) -> dict[str, Any]:
    return {"type": "rgb", "value": list(value)}


def frame_of(bsdf: dict[str, Any], **more: Any) -> Frame:
    """A ball of this material, lit from all sides, with the sky above and a blue floor around it."""
    mi = _variant.start()
    flat = mi.ScalarTransform4f().rotate([1, 0, 0], -90).scale(3)
    floor = {"type": "rectangle", "to_world": flat, "bsdf": {"type": "diffuse", "reflectance": rgb(BLUE)}}
    ball = {"type": "sphere", "center": [0, 1, 0], "radius": 1.0, "bsdf": bsdf, **more}
    made = mi.load_dict({"type": "scene", "sky": {"type": "constant"}, "floor": floor, "ball": ball})
    camera = cameras.look_at(np.array([0, 2, 6.0]), np.array([0, 1.0, 0]), np.array([0, 1.0, 0]))
    scene = MitsubaScene(made, "ball", camera, 45.0)
    scene.look(0, np.random.default_rng(0))
    return scene.render(SHOT)


def mean(frame: Frame, plane: str, where: Any) -> np.ndarray:
    return np.asarray(frame.planes[plane][where].mean(axis=(0, 1)))


COLOURED: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
    "diffuse": ({"type": "diffuse", "reflectance": rgb(RED)}, RED),
    "black": ({"type": "diffuse", "reflectance": rgb(BLACK)}, BLACK),
    "smooth plastic": ({"type": "plastic", "diffuse_reflectance": rgb(RED)}, RED),
    "rough plastic": ({"type": "roughplastic", "diffuse_reflectance": rgb(RED)}, RED),
    "principled": ({"type": "principled", "base_color": rgb(RED), "roughness": 0.3}, RED),
    "principled metal": ({"type": "principled", "base_color": rgb(RED), "metallic": 1.0}, RED),
    "thin principled": (
        {"type": "principledthin", "base_color": rgb(RED), "spec_trans": 0.3, "diff_trans": 0.6},
        RED,
    ),
    "two-sided": ({"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": rgb(RED)}}, RED),
    "rough metal": (
        {"type": "roughconductor", "material": "none", "alpha": 0.05, "specular_reflectance": rgb(RED)},
        RED,
    ),
    "frosted glass": ({"type": "roughdielectric", "alpha": 0.1}, WHITE),
}


@pytest.mark.parametrize(("bsdf", "albedo"), COLOURED.values(), ids=COLOURED.keys())
def test_albedo_of_a_surface_that_scatters_is_its_own(
    bsdf: dict[str, Any], albedo: tuple[float, ...]
) -> None:
    frame = frame_of(bsdf)
    np.testing.assert_allclose(mean(frame, "albedo", BALL), albedo, atol=0.02)
    np.testing.assert_allclose(mean(frame, "albedo", FLOOR), BLUE, atol=1e-3)
    assert mean(frame, "normal", BALL)[2] > 0.9
    np.testing.assert_allclose(mean(frame, "depth", BALL), 5.1, atol=0.1)


def test_bumps_leave_the_albedo_as_it_is() -> None:
    heights = np.random.default_rng(0).uniform(size=(16, 16, 1)).astype(np.float32)
    height = {"type": "bitmap", "bitmap": _variant.start().Bitmap(heights), "raw": True}
    bumpy = {"type": "bumpmap", "height": height, "bsdf": {"type": "roughplastic"}}
    np.testing.assert_allclose(mean(frame_of(bumpy), "albedo", BALL), (0.5, 0.5, 0.5), atol=0.02)


def test_gold_is_yellow_and_no_brighter_than_white() -> None:
    albedo = frame_of({"type": "roughconductor", "material": "Au", "alpha": 0.1}).planes["albedo"]
    assert albedo.max() <= 1
    red, green, blue = albedo[BALL].mean(axis=(0, 1))
    assert red > green > 1.5 * blue


def test_mirror_shows_the_tinted_albedo_and_the_normal_of_what_it_reflects() -> None:
    mirror = {"type": "conductor", "material": "none", "specular_reflectance": rgb((0.5, 0.5, 0.5))}
    frame = frame_of(mirror)
    below = np.s_[14:16, 11:13]  # there it reflects the floor
    np.testing.assert_allclose(mean(frame, "albedo", below), np.array(BLUE) / 2, atol=0.02)
    np.testing.assert_allclose(mean(frame, "normal", below), (0, 1, 0), atol=0.05)
    above = np.s_[8:10, 11:13]  # and there the sky, which has no albedo: the tint remains
    np.testing.assert_allclose(mean(frame, "albedo", above), (0.5, 0.5, 0.5), atol=0.02)
    np.testing.assert_allclose(mean(frame, "depth", BALL), 5.1, atol=0.1)  # its own


def test_clear_glass_shows_what_is_behind_it_and_is_never_black() -> None:
    albedo = frame_of({"type": "dielectric"}).planes["albedo"][BALL]
    assert albedo.min() > 0.1
    assert albedo[..., 2].mean() > albedo[..., 0].mean()  # the blue floor


def test_holes_and_panes_before_the_sky_are_like_the_sky() -> None:
    for bsdf in ({"type": "mask", "opacity": 0.0, "bsdf": GREY}, {"type": "null"}):
        frame = frame_of(bsdf)
        top = np.s_[7:9, 11:13]
        for plane in ("albedo", "normal", "depth"):
            np.testing.assert_array_equal(frame.planes[plane][top], frame.planes[plane][SKY][:2, 11:13])


def test_half_a_hole_is_half_of_what_is_behind() -> None:
    frame = frame_of({"type": "mask", "opacity": 0.5, "bsdf": {"type": "diffuse", "reflectance": rgb(RED)}})
    behind = frame_of({"type": "mask", "opacity": 0.0, "bsdf": GREY})
    # Two holes one after the other: half, a quarter (the inside, red too), a quarter of the floor.
    expected = 0.75 * np.array(RED) + 0.25 * mean(behind, "albedo", np.s_[14:16, 11:13])
    np.testing.assert_allclose(mean(frame, "albedo", np.s_[14:16, 11:13]), expected, atol=0.1)


def test_smoke_has_the_albedo_of_its_grains_and_the_depth_where_it_scatters() -> None:
    smoke = {"type": "homogeneous", "albedo": rgb(RED), "sigma_t": 50.0}
    frame = frame_of({"type": "null"}, interior=smoke)
    assert np.isfinite(frame.color).all()
    np.testing.assert_allclose(mean(frame, "albedo", BALL), RED, atol=0.02)
    np.testing.assert_allclose(mean(frame, "depth", BALL), 5.1, atol=0.15)


def test_milk_in_glass_has_the_albedo_of_milk() -> None:
    milk = {"type": "homogeneous", "albedo": rgb((0.9, 0.8, 0.7)), "sigma_t": 50.0}
    frame = frame_of({"type": "dielectric"}, interior=milk)
    np.testing.assert_allclose(mean(frame, "albedo", BALL), (0.9, 0.8, 0.7), atol=0.03)
