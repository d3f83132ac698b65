"""Light that a filter took comes back to what is noisy."""

import numpy as np
import pytest
import torch

from mcdenoise import encoding, relighting
from mcdenoise.frame import Frame

EXPOSURE = 0.18


def pair(height: int = 32, width: int = 64) -> tuple[np.ndarray, Frame]:
    """A noisy left half, of which a filter took the brightest pixels, and a right half that it left alone."""
    chance = np.random.default_rng(0)
    noisy = np.ones((height, width, 3), np.float32)
    left = chance.uniform(0.2, 1.2, (height, width // 2, 1))
    left[chance.uniform(size=left.shape) < 0.02] = 20
    noisy[:, : width // 2] = left
    clean = noisy.copy()
    clean[:, : width // 2] = 0.85
    return noisy, Frame({"color": clean})


def test_frame_gets_its_light_back_and_what_was_clean_stays() -> None:
    noisy, clean = pair()
    before = clean.color.copy()
    assert before.mean() < 0.9 * noisy.mean()
    relighting.give_back(noisy, clean, EXPOSURE)
    assert clean.color[:, :28].min() > before[:, :28].max()
    np.testing.assert_array_equal(clean.color[:, 36:], before[:, 36:])
    assert clean.color.mean() == pytest.approx(noisy.mean(), rel=1e-4)


def test_converged_frame_stays_as_it_is() -> None:
    noisy, _ = pair()
    clean = Frame({"color": noisy.copy()})
    relighting.give_back(noisy, clean, EXPOSURE)
    np.testing.assert_allclose(clean.color, noisy, rtol=1e-5)


def test_parts_of_the_light_keep_their_sum_and_alpha_its_value() -> None:
    noisy, clean = pair()
    share = np.random.default_rng(1).uniform(0, 1, clean.color.shape).astype(np.float32)
    alpha = np.full((*clean.size, 1), 0.5, np.float32)
    parts = {"one": clean.color * share, "two": clean.color * (1 - share), "alpha": alpha.copy()}
    clean = Frame(clean.planes, layers=parts)
    relighting.give_back(noisy, clean, EXPOSURE)
    np.testing.assert_allclose(clean.layers["one"] + clean.layers["two"], clean.color, rtol=1e-5)
    np.testing.assert_array_equal(clean.layers["alpha"], alpha)


@pytest.mark.parametrize("light", [0.0, 1e9])
def test_no_light_at_all_or_far_too_much_moves_nothing_beyond_the_bound(light: float) -> None:
    noisy, clean = pair()
    before = clean.color.copy()
    relighting.give_back(np.full_like(noisy, light), clean, EXPOSURE)
    factor = clean.color / before
    assert np.isfinite(factor).all()
    assert factor.min() > 1 / relighting.BOUND - 1e-3
    assert factor.max() < relighting.BOUND + 1e-3


def test_strips_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy, clean = pair()
    once = Frame({"color": clean.color.copy()})
    relighting.give_back(noisy, once, EXPOSURE)
    cut = [slice(start, min(start + 5, 32)) for start in range(0, 32, 5)]
    monkeypatch.setattr(relighting, "strips", lambda *_: cut)
    relighting.give_back(noisy, clean, EXPOSURE)
    np.testing.assert_allclose(clean.color, once.color, rtol=1e-5)


def test_training_sees_what_the_engine_gives_back() -> None:
    noisy, clean = pair()
    exposed, learned = (encoding.tensor(EXPOSURE * plane) for plane in (noisy, clean.color))
    seen = relighting.relit(exposed, learned)
    relighting.give_back(noisy, clean, EXPOSURE)
    torch.testing.assert_close(seen, encoding.tensor(EXPOSURE * clean.color), rtol=1e-4, atol=1e-6)


def test_light_taken_from_the_whole_costs_nothing_in_training() -> None:
    noisy = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(1)) + 0.1
    level = torch.tensor(0.8, requires_grad=True)
    flat = noisy.mean() * torch.ones_like(noisy)
    relighting.relit(noisy, level * flat).mean().backward()
    assert level.grad is not None
    assert abs(float(level.grad)) < 0.05 * float(flat.mean())
