"""What two halves of a frame say of its error, and what is made of them."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from mcdenoise import halves, metrics
from mcdenoise.errors import FrameError
from mcdenoise.frame import Frame

MakeFrame = Callable[..., Frame]
SIZE = (96, 128)


def picture() -> np.ndarray:
    """Soft light, a sharp edge, a fine texture on the left."""
    y, x = np.meshgrid(*(np.linspace(0, 1, side) for side in SIZE), indexing="ij")
    level = 0.3 + x * y + (x > 0.6) * 2 + 0.4 * (x < 0.3) * np.sin(200 * x) ** 2
    return np.repeat(level[..., None], 3, axis=2).astype(np.float32)


def noisy(spp: float, seed: int, clean: np.ndarray | None = None) -> Frame:
    clean = picture() if clean is None else clean
    samples = np.random.default_rng(seed).gamma(spp / 4, 4 / spp, (*clean.shape[:2], 1))
    return Frame({"color": (clean * samples).astype(np.float32)})


def blurred(frame: Frame, width: float = 2.0) -> Frame:
    """A denoiser that costs every texture and edge."""
    return Frame(
        {"color": ndimage.gaussian_filter(frame.color, (width, width, 0))},
        {"mcdenoise.replaced": 0},
        {name: ndimage.gaussian_filter(layer, (width, width, 0)) for name, layer in frame.layers.items()},
    )


def merged(spp: float, seed: int = 0) -> tuple[tuple[Frame, Frame], Frame, halves.Estimate]:
    pair = noisy(spp, 2 * seed), noisy(spp, 2 * seed + 1)
    return pair, *halves.merge(pair, (blurred(pair[0]), blurred(pair[1])))


def mean_of(pair: tuple[Frame, Frame]) -> np.ndarray:
    return (pair[0].color + pair[1].color) / 2


def test_statistics_are_the_truth_on_average() -> None:
    """A denoiser that shrinks towards 102 a signal of 100 with noise of variance 1: a bias of 0.8."""
    chance = np.random.default_rng(1)
    halves_ = [(100 + chance.normal(0, 1, (200, 200, 3))).astype(np.float32) for _ in "ab"]
    found = halves.gather((halves_[0], halves_[1]), (0.6 * halves_[0] + 40.8, 0.6 * halves_[1] + 40.8))
    scale = 100.8**2 + halves.EPSILON
    assert found.bias.mean() * scale == pytest.approx(0.64, rel=0.05)
    assert found.variance.mean() * scale == pytest.approx(0.36 / 2, rel=0.05)
    assert found.noise.mean() * scale == pytest.approx(1 / 2, rel=0.05)
    assert found.covariance.mean() * scale == pytest.approx(0.6 / 2, rel=0.05)


@given(st.floats(0.5, 4096), st.integers(0, 99))
@settings(deadline=None, max_examples=12)
def test_weight_is_a_share_and_the_error_no_less_than_nothing(spp: float, seed: int) -> None:
    _, result, estimate = merged(spp, seed)
    assert estimate.weight.min() >= 0
    assert estimate.weight.max() <= 1
    assert estimate.error.min() >= 0
    assert np.isfinite(result.color).all()


@pytest.mark.parametrize("spp", [1, 4, 16, 64, 256, 1024, 4096])
def test_result_is_no_worse_than_its_input_nor_than_the_denoised_mean(spp: int) -> None:
    pair, result, _ = merged(spp)
    plain = (blurred(pair[0]).color + blurred(pair[1]).color) / 2
    error = metrics.relmse(result.color, picture())
    assert error <= metrics.relmse(mean_of(pair), picture())
    assert error <= metrics.relmse(plain, picture())


def test_error_falls_with_samples_as_the_inputs_does_where_the_denoisers_would_not() -> None:
    errors = [metrics.relmse(merged(spp)[1].color, picture()) for spp in (1, 16, 256, 4096)]
    assert errors == sorted(errors, reverse=True)
    pair, result, _ = merged(4096)
    assert metrics.relmse(blurred(pair[0]).color, picture()) > 20 * metrics.relmse(result.color, picture())


def test_expected_error_of_what_is_noisy_mean_alone_is_its_variance() -> None:
    """Where the denoiser is hopeless: 1024 samples against a blur of 2 pixels."""
    _, result, estimate = merged(1024)
    true = metrics.relmse(result.color, picture())
    assert estimate.mean_error == pytest.approx(true, rel=0.25)


def test_strength_of_nothing_gives_the_noisy_mean_and_a_bound_of_its_error() -> None:
    pair = noisy(16, 0), noisy(16, 1)
    result, estimate = halves.merge(pair, (blurred(pair[0]), blurred(pair[1])), strength=0.0)
    np.testing.assert_allclose(result.color, mean_of(pair), rtol=1e-6)
    assert 1 < estimate.mean_error / metrics.relmse(mean_of(pair), picture()) < 2


def test_light_of_one_half_only_is_a_firefly_and_of_both_a_highlight() -> None:
    clean = np.full((*SIZE, 3), 0.5, np.float32)
    clean[40, 60] = 40
    pair = noisy(256, 0, clean), noisy(256, 1, clean)
    pair[0].color[20, 30] = 400
    with_blob = blurred(pair[0], 1.0), blurred(pair[1], 1.0)
    result, _ = halves.merge(pair, with_blob)
    assert with_blob[0].color[20, 30, 0] > 30
    assert result.color[20, 30].max() < 1
    assert result.color[40, 60].min() > 30


def test_light_that_was_taken_comes_back() -> None:
    pair = noisy(16, 0), noisy(16, 1)
    dark = [Frame({"color": 0.9 * blurred(half).color}, {"mcdenoise.replaced": 0}) for half in pair]
    result, _ = halves.merge(pair, (dark[0], dark[1]))
    assert result.color.mean() == pytest.approx(mean_of(pair).mean(), rel=0.005)


def test_parts_of_the_light_still_add_up() -> None:
    pair = []
    for seed in (0, 1):
        whole = noisy(4, seed)
        whole.color[10, 10] *= 1 + 500 * seed
        share = np.linspace(0, 1, SIZE[1], dtype=np.float32)[None, :, None]
        parts = {"key": whole.color * share, "fill": whole.color * (1 - share)}
        pair.append(Frame(whole.planes, layers={**parts, "alpha": np.full((*SIZE, 1), 0.5, np.float32)}))
    result, _ = halves.merge((pair[0], pair[1]), (blurred(pair[0]), blurred(pair[1])))
    np.testing.assert_allclose(
        result.layers["key"] + result.layers["fill"], result.color, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(result.layers["alpha"], 0.5, rtol=1e-5)


def test_no_number_in_a_half_gives_a_number_in_the_result() -> None:
    pair = noisy(4, 0), noisy(4, 1)
    clean = blurred(pair[0]), blurred(pair[1])
    pair[0].color[5, 5, 1] = np.nan
    pair[1].color[5, 5] = np.inf
    result, estimate = halves.merge(pair, clean)
    assert np.isfinite(result.color).all()
    assert np.isfinite(estimate.error).all()


def test_two_renders_of_one_frame_pass(noisy_frame: MakeFrame) -> None:
    halves.refuse_unlike("b.exr", noisy_frame(1), noisy_frame(2))


def test_black_frames_of_a_fade_pass() -> None:
    black = Frame({"color": np.zeros((*SIZE, 3), np.float32)})
    halves.refuse_unlike("b.exr", black, black)
    result, _ = halves.merge((black, black), (black, black))
    assert not result.color.any()


def _same(frame: Frame) -> Frame:
    return frame


def _smaller(frame: Frame) -> Frame:
    return Frame({name: plane[:-1] for name, plane in frame.planes.items()}, frame.attributes)


def _without_depth(frame: Frame) -> Frame:
    return Frame({name: plane for name, plane in frame.planes.items() if name != "depth"})


def _elsewhere(frame: Frame) -> Frame:
    return Frame({**frame.planes, "depth": frame.planes["depth"] * np.float32(1.5)})


def _brighter(frame: Frame) -> Frame:
    return Frame({**frame.planes, "color": frame.color * np.float32(1.5)})


def _of_more_samples(frame: Frame) -> Frame:
    return Frame(frame.planes, {"mcdenoise.spp": 64})


@pytest.mark.parametrize(
    ("change", "seed", "says"),
    [
        (_same, 1, "same pixels"),
        (_smaller, 2, "other size"),
        (_without_depth, 2, "other planes"),
        (_elsewhere, 2, "its depth isn't"),
        (_brighter, 2, "means differ"),
        (_of_more_samples, 2, "mcdenoise.spp is 64"),
    ],
)
def test_what_is_no_other_half_is_refused_with_the_reason(
    noisy_frame: MakeFrame, change: Callable[[Frame], Frame], seed: int, says: str
) -> None:
    first = noisy_frame(1, size=(64, 64))
    first = Frame(first.planes, {"mcdenoise.spp": 32})
    with pytest.raises(FrameError, match=says):
        halves.refuse_unlike("b.exr", first, change(noisy_frame(seed, size=(64, 64))))


def test_results_that_show_different_pictures_are_refused() -> None:
    one, other = noisy(64, 0), noisy(64, 1, np.ascontiguousarray(picture()[::-1, ::-1]))
    with pytest.raises(FrameError, match="different pictures"):
        halves.merge((one, other), (blurred(one), blurred(other)))
