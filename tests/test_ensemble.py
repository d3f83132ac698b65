"""Denoising in several orientations."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mcdenoise import checkpoint, ensemble
from mcdenoise.ensemble import Progress
from mcdenoise.errors import UsageError
from mcdenoise.frame import Frame

MakeFrame = Callable[..., Frame]


@pytest.fixture
def frame(noisy_frame: MakeFrame) -> Frame:
    """Not square, so that a wrong turn shows, with a light and alpha beside the color."""
    made = noisy_frame(1, size=(12, 20))
    return replace(made, layers={"key": made.color * np.float32(0.5), "A": made.color[..., :1]})


@pytest.mark.parametrize("looks", range(1, 9))
def test_each_orientation_is_turned_back_and_no_two_are_alike(frame: Frame, looks: int) -> None:
    seen = []

    def note(turned: Frame, _: Progress | None) -> Frame:
        seen.append(np.concatenate([turned.planes["normal"], turned.color, turned.layers["A"]], axis=2))
        return turned

    same = ensemble.average(note, frame, looks, None)
    for was, now in [(frame.color, same.color), *((frame.layers[n], same.layers[n]) for n in frame.layers)]:
        np.testing.assert_allclose(now, was, rtol=1e-6)
    assert len({one.tobytes() for one in seen}) == looks
    original = np.concatenate([frame.planes["normal"], frame.color, frame.layers["A"]], axis=2)
    assert all(np.array_equal(np.sort(one.sum(2).ravel()), np.sort(original.sum(2).ravel())) for one in seen)


def test_what_drifts_to_one_side_drifts_to_none_on_average(frame: Frame) -> None:
    def drift(turned: Frame, _: Progress | None) -> Frame:
        return replace(turned, planes={"color": np.roll(turned.color, 1, axis=1)})

    both = ensemble.average(drift, frame, 2, None).color
    expected = (np.roll(frame.color, 1, axis=1) + np.roll(frame.color, -1, axis=1)) / 2
    np.testing.assert_allclose(both, expected, rtol=1e-6)


def test_progress_counts_the_parts_of_all_looks(frame: Frame) -> None:
    def of_two_tiles(turned: Frame, progress: Progress | None) -> Frame:
        assert progress
        progress(1, 2), progress(2, 2)
        return turned

    told: list[tuple[int, int]] = []
    ensemble.average(of_two_tiles, frame, 2, lambda *parts: told.append(parts))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_quality_is_a_size_of_the_shipped_model_and_looks() -> None:
    fast, standard, high = (
        sum(weight.numel() for weight in checkpoint.load_model(model).network.parameters())
        for model, _ in ensemble.QUALITIES.values()
    )
    assert 3 * fast < standard == high
    assert ensemble.chosen("fast", "standard") == ensemble.chosen("fast", "fast") == ("fast", 1)
    assert ensemble.chosen("high", "mine.safetensors") == ("mine.safetensors", 4)


def test_model_of_one_size_has_no_fast_one() -> None:
    with pytest.raises(
        UsageError, match=r"--quality fast: mine.safetensors has one size; leave --quality out"
    ):
        ensemble.chosen("fast", "mine.safetensors")
