import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcdenoise import metrics
from mcdenoise.metrics import Image

Metric = Callable[[Image, Image], float]


def picture(seed: int, *, size: tuple[int, int] = (16, 20)) -> Image:
    return np.random.default_rng(seed).lognormal(0, 1, (*size, 3)).astype(np.float32)


def test_relmse_of_a_known_difference_is_the_formula() -> None:
    reference = np.full((4, 5, 3), 0.3, np.float32)
    image = np.full((4, 5, 3), 0.5, np.float32)
    assert metrics.relmse(image, reference) == pytest.approx(0.2**2 / (0.3**2 + 0.01), rel=1e-6)


def test_smape_of_a_known_difference_is_the_formula() -> None:
    reference = np.full((4, 5, 3), 0.3, np.float32)
    image = np.full((4, 5, 3), 0.5, np.float32)
    assert metrics.smape(image, reference) == pytest.approx(0.2 / (0.5 + 0.3 + 0.01), rel=1e-6)


def test_two_noisy_halves_measure_the_error_to_the_clean_picture() -> None:
    rng = np.random.default_rng(0)
    clean = np.full((300, 300, 3), 1.0, np.float32)
    image = clean + np.float32(0.02) * rng.choice([-1, 1], clean.shape).astype(np.float32)
    halves = [(clean + rng.normal(0, 0.05, clean.shape)).astype(np.float32) for _ in range(2)]
    true = metrics.relmse(image, clean)
    assert metrics.relmse(image, halves[0]) > 3 * true  # one half adds its own variance
    # The numerator's standard error is 1.5 % of `true`, the denominator's noise adds 2 %.
    assert metrics.relmse(image, halves[0], second_half=halves[1]) == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize("metric", [metrics.relmse, metrics.smape])
def test_equal_pictures_have_no_error(metric: Metric) -> None:
    assert metric(picture(1), picture(1)) == 0


def test_equal_pictures_have_endless_psnr_and_full_ssim() -> None:
    assert metrics.psnr(picture(1), picture(1)) == math.inf
    assert metrics.ssim(picture(1), picture(1)) == pytest.approx(1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("metric", [metrics.relmse, metrics.smape, metrics.ssim])
def test_a_broken_pixel_is_never_hidden(metric: Metric, value: float) -> None:
    image = picture(1)
    image[3, 4] = value
    with np.errstate(invalid="ignore"):
        assert not math.isfinite(metric(image, picture(2)))


@given(seed=st.integers(0, 1000), factor=st.floats(0.01, 100))
@settings(deadline=None, max_examples=20)
def test_psnr_ssim_and_energy_do_not_depend_on_the_exposure(seed: int, factor: float) -> None:
    image, reference = picture(seed), picture(seed + 1)
    for metric in (metrics.psnr, metrics.ssim, metrics.energy_ratio):
        brighter = metric(image * np.float32(factor), reference * np.float32(factor))
        assert brighter == pytest.approx(metric(image, reference), rel=1e-3, abs=1e-4)


def test_psnr_is_that_of_scikit_image() -> None:
    from skimage.metrics import peak_signal_noise_ratio

    image, reference = picture(1), picture(2)
    exposure = metrics.exposure_for(reference)
    theirs = peak_signal_noise_ratio(
        metrics.tone_map(reference, exposure), metrics.tone_map(image, exposure), data_range=1.0
    )
    assert metrics.psnr(image, reference) == pytest.approx(theirs, rel=1e-6)


def test_exposure_brings_the_log_average_luminance_to_middle_grey() -> None:
    reference = picture(3)
    light = metrics.luminance(reference * np.float32(metrics.exposure_for(reference)))
    assert np.exp(np.mean(np.log(light))) == pytest.approx(0.18, rel=1e-4)


def test_black_half_of_a_picture_does_not_change_the_exposure() -> None:
    reference = np.full((10, 10, 3), 1.0, np.float32)
    reference[:5] = 0
    assert metrics.exposure_for(reference) == pytest.approx(metrics.exposure_for(reference[5:]))


def test_tone_map_stays_between_zero_and_one_for_anything_finite_or_infinite() -> None:
    extreme = np.array([[[-1.0, 0.0, 1e30]], [[math.inf, 1e-30, 0.5]]], np.float32)
    display = metrics.tone_map(extreme, 2.0)
    assert display.min() >= 0
    assert display.max() <= 1


def test_energy_ratio_is_the_factor_between_the_means() -> None:
    assert metrics.energy_ratio(picture(1) * np.float32(0.9), picture(1)) == pytest.approx(0.9, rel=1e-5)


def test_energy_ratio_on_black_is_nan_and_not_an_error() -> None:
    assert math.isnan(metrics.energy_ratio(picture(1), np.zeros((16, 20, 3), np.float32)))


def test_extreme_deciles_are_the_darkest_and_brightest_tenth() -> None:
    reference = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10, 1).repeat(3, axis=2)
    dark, bright = metrics.extreme_deciles(reference)
    assert dark.sum() == bright.sum() == 10
    assert dark[0].all()
    assert bright[-1].all()


def test_light_lost_only_in_the_brightest_tenth_shows_there() -> None:
    reference = np.linspace(0.1, 1, 100, dtype=np.float32).reshape(10, 10, 1).repeat(3, axis=2)
    image = reference.copy()
    image[-1] *= 0.5
    scores = metrics.measure(image, reference)
    assert scores.energy_bright == pytest.approx(0.5, rel=1e-5)
    assert scores.energy_dark == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (3, 7), (5, 4)])
def test_tiny_pictures_are_measured_without_an_error(size: tuple[int, int]) -> None:
    scores = metrics.measure(picture(1, size=size), picture(2, size=size))
    assert scores.relmse > 0
    assert math.isnan(scores.ssim) == (min(size) < 3)


def test_geometric_mean_of_a_ratio_and_its_inverse_is_one() -> None:
    assert metrics.geometric_mean([4.0, 0.25]) == pytest.approx(1)


@pytest.mark.parametrize("values", [[], [1.0, 0.0], [1.0, -2.0]])
def test_geometric_mean_refuses_what_has_none(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"no values|math domain|positive"):
        metrics.geometric_mean(values)


def test_pictures_of_different_sizes_are_refused() -> None:
    with pytest.raises(Exception, match=r"shape|Type-check"):
        metrics.relmse(picture(1), picture(1, size=(4, 4)))
