"""Encoding: exposure, what stands in for NaN, and the guides as a network gets them."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mcdenoise import conventions, encoding
from mcdenoise.frame import PLANES, Frame, Plane

# Where `encoding.guides` puts things.
ALBEDO, NORMAL, NEARNESS, MASKS = slice(0, 3), slice(3, 6), 6, slice(7, 10)


def radiance(seed: int = 0, *, size: tuple[int, int] = (48, 64)) -> Plane:
    return np.random.default_rng(seed).lognormal(0, 1, (*size, 3)).astype(np.float32)


def any_plane(channels: int) -> st.SearchStrategy[Plane]:
    """Every float32 there is: NaN, Inf, subnormal, the largest."""
    return arrays(np.float32, (5, 7, channels), elements=st.floats(width=32))


any_guides = {name: any_plane(channels) for name, channels in PLANES.items() if name != "color"}
any_frame = st.builds(Frame, st.fixed_dictionaries({"color": any_plane(3)}, optional=any_guides))


@given(frame=any_frame)
@settings(deadline=None, max_examples=200)
def test_whatever_the_frame_holds_the_network_sees_finite_numbers_within_bounds(frame: Frame) -> None:
    encoded = encoding.encode(frame)

    assert encoded.color.isfinite().all()
    assert encoded.color.abs().max() <= encoding.RADIANCE_LIMIT
    assert encoded.guides.shape[1] == encoding.GUIDE_CHANNELS
    assert encoded.guides.isfinite().all()
    assert encoded.guides.abs().max() <= 1
    assert np.isfinite(encoded.exposure)
    assert encoded.exposure > 0
    assert np.isfinite(encoding.decode(encoded.color, encoded.exposure)).all()


@given(frame=any_frame)
@settings(deadline=None)
def test_every_pixel_that_is_no_number_is_counted_and_no_other(frame: Frame) -> None:
    no_number = ~np.isfinite(frame.color) | (np.abs(frame.color) > conventions.NO_RADIANCE)
    assert encoding.encode(frame).replaced == no_number.any(axis=2).sum()


def test_encoded_frame_decodes_to_itself() -> None:
    color = radiance()
    encoded = encoding.encode(Frame({"color": color}))
    np.testing.assert_allclose(encoding.decode(encoded.color, encoded.exposure), color, rtol=1e-6)


# ---- NaN ----


def test_finite_picture_stays_as_it_is() -> None:
    color = radiance()
    result, replaced = encoding.finite(color)
    assert (result is color, replaced) == (True, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_broken_pixel_becomes_the_mean_of_its_sound_neighbours(value: float) -> None:
    color = np.zeros((4, 5, 3), np.float32)
    color[0, 1], color[1, 0] = 3, 9
    color[0, 0, 1] = color[1, 1, 2] = value  # one neighbour of the corner is broken too

    result, replaced = encoding.finite(color)

    assert replaced == 2
    np.testing.assert_allclose(result[0, 0], [6, 6, 6])
    np.testing.assert_allclose(result[1, 1], [12 / 7] * 3)
    untouched = np.isfinite(color).all(axis=2)
    np.testing.assert_array_equal(result[untouched], color[untouched])


def test_pixel_without_a_sound_neighbour_becomes_black() -> None:
    result, replaced = encoding.finite(np.full((3, 4, 3), np.nan, np.float32))
    assert replaced == 12
    assert (result == 0).all()


def test_given_picture_is_not_written_to() -> None:
    color = radiance()
    color[3, 4] = np.nan
    before = color.copy()
    encoding.encode(Frame({"color": color}))
    np.testing.assert_array_equal(color, before)


# ---- exposure ----


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (16, 16), (17, 33)])
def test_exposed_flat_picture_is_middle_grey(size: tuple[int, int]) -> None:
    color = np.full((*size, 3), 5, np.float32)
    assert encoding.exposure(color) * 5 == pytest.approx(0.18, rel=1e-5)


@given(factor=st.floats(1e-3, 1e3), seed=st.integers(0, 100))
@settings(deadline=None, max_examples=20)
def test_picture_k_times_as_bright_is_exposed_a_kth(factor: float, seed: int) -> None:
    color = radiance(seed)
    brighter = encoding.exposure(color * np.float32(factor))
    assert brighter * factor == pytest.approx(encoding.exposure(color), rel=1e-5)


@pytest.mark.parametrize("side", [64, 256])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e30, -1e30])
def test_one_broken_pixel_changes_the_exposure_by_less_than_a_stop(value: float, side: int) -> None:
    color = radiance(size=(side, side))
    before = encoding.encode(Frame({"color": color})).exposure
    color[20, 50] = value
    after = encoding.encode(Frame({"color": color})).exposure
    assert 0.5 < after / before < 2


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-30])
def test_black_picture_is_not_exposed(value: float) -> None:
    assert encoding.exposure(np.full((20, 20, 3), value, np.float32)) == 1


def test_noise_changes_the_exposure_of_the_clean_picture_by_little() -> None:
    clean = np.full((128, 128, 3), 0.4, np.float32)
    rare = np.random.default_rng(0).uniform(size=(128, 128, 1)) < 0.1
    noisy = (clean * rare / 0.1).astype(np.float32)  # nine of ten pixels are black
    assert encoding.exposure(noisy) == pytest.approx(encoding.exposure(clean), rel=0.1)


# ---- guides ----


def guides(planes: dict[str, Any]) -> np.ndarray:
    full = {name: np.broadcast_to(np.float32(value), (2, 3, PLANES[name])).copy()
            for name, value in planes.items()}  # fmt: skip
    return encoding.guides(full, (2, 3))


def test_black_albedo_stays_black() -> None:
    assert (guides({"albedo": 0})[..., ALBEDO] == 0).all()
    np.testing.assert_array_equal(guides({"albedo": (0, 0, 0.25)})[0, 0, ALBEDO], [0, 0, 0.25])


@pytest.mark.parametrize("missing", ["albedo", "normal", "depth"])
def test_missing_guide_has_mask_zero_and_its_neutral_value(missing: str) -> None:
    given = {"albedo": 0.5, "normal": 0.5, "depth": 2}
    there = {name: value for name, value in given.items() if name != missing}

    result, whole = guides(there), guides(given)

    neutral = {"albedo": 1, "normal": 0, "depth": 0}[missing]
    where = {"albedo": ALBEDO, "normal": NORMAL, "depth": slice(NEARNESS, NEARNESS + 1)}[missing]
    assert (result[..., where] == neutral).all()
    np.testing.assert_array_equal(result[0, 0, MASKS], [name != missing for name in given])
    np.testing.assert_array_equal(whole[0, 0, MASKS], [1, 1, 1])
    others = np.ones(10, bool)
    others[where] = others[MASKS] = False
    np.testing.assert_array_equal(result[..., others], whole[..., others])


def test_no_guides_at_all_are_all_neutral() -> None:
    assert (guides({}) == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]).all()


def test_guides_out_of_range_are_clipped() -> None:
    result = guides({"albedo": (97, -0.5, 0.5), "normal": (-3, 3, 0.5)})
    np.testing.assert_array_equal(result[0, 0, ALBEDO], [1, 0, 0.5])
    np.testing.assert_array_equal(result[0, 0, NORMAL], [-1, 1, 0.5])


def test_nearness_is_zero_where_nothing_is_hit_and_a_half_at_the_median() -> None:
    depth = np.array([0, 1, 3, 9, 1e11, -1, np.inf, np.nan, -3], np.float32).reshape(3, 3, 1)
    nearness = encoding.guides({"depth": depth}, (3, 3))[..., NEARNESS]
    expected = [0, 0.75, 0.5, 0.25, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(nearness.ravel(), expected, rtol=1e-6)


def test_nearness_does_not_depend_on_the_scene_unit() -> None:
    depth = radiance()[..., :1]
    meters, millimeters = (encoding.guides({"depth": depth * np.float32(k)}, (48, 64)) for k in (1, 1000))
    np.testing.assert_allclose(meters, millimeters, rtol=1e-5)


def test_depth_that_hits_nothing_is_all_zero() -> None:
    assert (guides({"depth": 0})[..., NEARNESS] == 0).all()


# ---- curves ----


def test_tone_unmap_inverts_tone_map_up_to_the_limit() -> None:
    color = torch.cat([torch.zeros(1), torch.logspace(-5, np.log10(encoding.RADIANCE_LIMIT), 200)])
    torch.testing.assert_close(encoding.tone_unmap(encoding.tone_map(color)), color, rtol=1e-4, atol=1e-6)


def test_tone_map_rises_and_black_stays_black() -> None:
    tones = encoding.tone_map(torch.tensor([-1.0, 0.0, 0.18, 1.0, 6e4]))
    assert tones[:2].tolist() == [0, 0]
    assert (tones.diff()[1:] > 0).all()


def test_what_is_below_black_has_the_tone_of_its_size_below_zero() -> None:
    color = torch.tensor([-6e4, -1.0, -0.18, 0.0, 0.18, 1.0, 6e4])
    tones = encoding.tone_map_odd(color)
    assert torch.equal(tones, -tones.flip(0))
    assert torch.equal(tones[3:], encoding.tone_map(color[3:]))
    torch.testing.assert_close(encoding.tone_unmap(tones), color, rtol=1e-4, atol=1e-6)


def test_tone_unmap_is_bounded_whatever_a_network_says() -> None:
    tones = torch.tensor([50.0, torch.inf])
    assert (encoding.tone_unmap(tones) <= encoding.RADIANCE_LIMIT * 1.001).all()
    assert (encoding.tone_unmap(-tones) >= -encoding.RADIANCE_LIMIT * 1.001).all()


def test_split_guides_gives_back_what_guides_joined() -> None:
    joined = guides({"albedo": 0.5, "normal": (0, 0.6, 0.8), "depth": 2})
    albedo, normal, rest = encoding.split_guides(encoding.tensor(joined))
    assert (albedo == 0.5).all()
    np.testing.assert_allclose(normal[0, :, 0, 0], [0, 0.6, 0.8])
    np.testing.assert_allclose(rest[0, :, 0, 0], [0.5, 1, 1, 1])
