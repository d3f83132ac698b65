"""Losses: what constant each draws a network to when its targets are noisy."""

import numpy as np
import pytest
import torch

from mcdenoise import affinity, losses
from mcdenoise.encoding import tone_map
from mcdenoise.errors import UsageError
from mcdenoise.losses import Loss


def best_constant(loss: Loss, noisy: torch.Tensor) -> float:
    """Where the gradient of the loss crosses zero: the loss itself may not be least there, because
    `relative_l2` sends no gradient through its denominator."""
    low, high = 1e-3, 1e3
    while high / low > 1.0001:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if gradient(loss, middle, noisy) > 0 else (middle, high)
    return low


def gradient(loss: Loss, constant: float, noisy: torch.Tensor) -> float:
    estimate = torch.tensor(constant, dtype=noisy.dtype, requires_grad=True)
    loss(estimate.expand_as(noisy), noisy).backward()
    assert estimate.grad is not None
    return float(estimate.grad)


@pytest.fixture(scope="module")
def long_tailed() -> torch.Tensor:
    """Log-normal noise, sigma 1 and mean 1: the mean of so many samples is known to 0.3 %."""
    chance = torch.Generator().manual_seed(1)
    return (torch.randn(1, 3, 256, 256, generator=chance, dtype=torch.float64) - 0.5).exp()


@pytest.mark.parametrize("name", [name for name, loss in losses.every().items() if loss.noisy_targets])
def test_safe_loss_has_the_mean_of_noisy_targets_as_its_best_constant(
    name: str, long_tailed: torch.Tensor
) -> None:
    assert best_constant(losses.every()[name], long_tailed) == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize("name", [name for name, loss in losses.every().items() if not loss.noisy_targets])
def test_loss_marked_unsafe_is_biased_indeed(name: str, long_tailed: torch.Tensor) -> None:
    assert abs(best_constant(losses.every()[name], long_tailed) - 1) > 0.1


def test_l0_begins_as_l2_and_falls_to_its_last_power() -> None:
    one, other = torch.rand(2, 1, 3, 4, 5, dtype=torch.float64)
    l0, l2 = losses.every()["l0"], losses.every()["l2"]
    assert l0(one, other, done=0.0) == l2(one, other)
    ended = (one - other).abs() ** losses.LAST_POWER
    assert l0(one, other, done=1.0).item() == pytest.approx(ended.mean().item(), rel=1e-4)


@pytest.mark.parametrize("name", losses.every())
def test_no_error_is_no_loss_and_error_is_some(name: str) -> None:
    picture = torch.rand(1, 3, 4, 5)
    assert losses.every()[name](picture, picture).item() == 0
    assert losses.every()[name](picture + 0.1, picture).item() > 0


@pytest.mark.parametrize("name", losses.every())
def test_loss_and_its_gradient_are_finite_on_black_negative_and_very_bright_pixels(name: str) -> None:
    estimate = torch.tensor([0.0, -0.01, 6e4, 0.0, 6e4]).reshape(1, 1, 1, 5).requires_grad_()
    target = torch.tensor([0.0, 0.5, 0.0, 6e4, 6e4]).reshape(1, 1, 1, 5)

    value = losses.every()[name](estimate, target)
    value.backward()

    assert value.isfinite()
    assert estimate.grad is not None
    assert estimate.grad.isfinite().all()


@pytest.mark.parametrize("name", [name for name, loss in losses.every().items() if not loss.noisy_targets])
def test_unsafe_loss_is_refused_on_noisy_targets_and_the_safe_ones_are_named(name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' darkens or brightens .*; use: ") as caught:
        losses.find(name, is_target_noisy=True)

    named = str(caught.value).split("use: ")[1].split(", ")
    assert named == [name for name, loss in losses.every().items() if loss.noisy_targets]
    assert losses.find(name, is_target_noisy=False).name == name


def test_unknown_loss_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(UsageError, match=f"no 'l3'; there is: {', '.join(losses.every())}"):
        losses.find("l3", is_target_noisy=False)


NO_GUIDES = torch.zeros(1, 10, 1, 1)


def spread_of(noisy: torch.Tensor, guides: torch.Tensor) -> torch.Tensor:
    """The noise's variance in tones, as statistics tell it."""
    tone = tone_map(noisy)
    return affinity.noise(tone, affinity.kin(tone, guides))


@pytest.mark.parametrize("sigma", [0.2, 1.0])
def test_weights_of_training_leave_the_best_estimate_the_mean(sigma: float) -> None:
    generator = torch.Generator().manual_seed(7)
    noise = torch.randn((2, 1, 3, 512, 512), generator=generator)
    noisy, target = torch.exp(sigma * noise - sigma**2 / 2)
    estimate = torch.ones_like(noisy)
    guides, equal = NO_GUIDES.expand(1, 10, 512, 512), torch.ones(1, 1, 1, 1)
    told = spread_of(noisy, guides)
    caution = losses.caution(estimate, losses.probable(noisy, guides, told))
    for weight in (caution, losses.certainty(told, equal).expand_as(target)):
        # Where the weighted gradient of (f - y)^2 vanishes: the weighted mean of the target.
        assert float((weight * target).sum() / weight.sum()) == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("sigma", [0.2, 1.0])
def test_weights_by_a_witness_leave_the_best_constant_the_mean(sigma: float) -> None:
    noise = torch.randn((3, 1, 3, 512, 512), generator=torch.Generator().manual_seed(8))
    noisy, target, witness = torch.exp(sigma * noise - sigma**2 / 2)
    guides = NO_GUIDES.expand(1, 10, 512, 512)
    told = spread_of(noisy, guides)
    weight = losses.caution(torch.ones_like(noisy), losses.probable(noisy, guides, told, witness))
    assert float((weight * target).sum() / weight.sum()) == pytest.approx(1.0, rel=0.02)


def test_witness_tells_a_dark_line_and_a_firefly_that_no_guide_shows() -> None:
    noisy, guides = torch.full((1, 3, 32, 32), 2.0), NO_GUIDES.expand(1, 10, 32, 32)
    noisy[..., 16, :] = 0.05
    witness, doubted = noisy.clone(), torch.full((1, 1, 32, 32), 0.1)
    noisy[..., 8, 8] = 40.0  # a firefly, which the estimate keeps as it leaks into the line
    estimate = torch.full_like(noisy, 2.0)
    estimate[..., 8, 8] = 40.0
    weight, alone = (
        losses.caution(estimate, losses.probable(noisy, guides, doubted, w))[0, 0] for w in (witness, None)
    )
    assert float(weight[16, 5] / weight[4, 25]) > 10 * float(alone[16, 5] / alone[4, 25])
    assert float(weight[8, 8] / weight[4, 25]) > 100


def test_no_witness_is_as_none_at_all() -> None:
    noisy = torch.exp(torch.randn((1, 3, 32, 32), generator=torch.Generator().manual_seed(1)))
    guides, doubted = NO_GUIDES.expand(1, 10, 32, 32), torch.full((1, 1, 32, 32), 0.1)
    likely = [losses.probable(noisy, guides, doubted, w) for w in (None, noisy * torch.nan)]
    torch.testing.assert_close(*likely)


def test_pixels_near_fireflies_count_less_and_edges_of_the_picture_do_not() -> None:
    noisy, guides = torch.full((1, 3, 32, 32), 0.5), NO_GUIDES.expand(1, 10, 32, 32).clone()
    noisy[..., 16:, :], guides[:, :3, 16:] = 30.0, 1.0  # a clean edge that the guides explain
    noisy[..., 8, 10] = 1e4
    weight = losses.certainty(spread_of(noisy, guides), torch.ones(1, 1, 1, 1))
    assert float(weight[..., 7:10, 9:12].max()) < 0.01
    assert float(weight[..., 16:, :].min()) == pytest.approx(1.0, abs=1e-2)
    assert float(weight[..., 20:, :].min()) == pytest.approx(1.0, abs=1e-3)


def test_outlier_that_is_told_as_noise_counts_as_its_neighbours_do() -> None:
    noise = torch.full((1, 1, 16, 16), 1e-3)
    noise[..., 8, 8] = 1.0
    weight = losses.certainty(noise, torch.ones(1, 1, 1, 1))
    assert float(weight.min()) == float(weight.max())


def test_noisier_targets_count_less() -> None:
    noisy = torch.exp(0.3 * torch.randn((1, 3, 64, 64), generator=torch.Generator().manual_seed(1)))
    guides = NO_GUIDES.expand(1, 10, 64, 64)
    told = spread_of(noisy, guides)
    same, noisier = (losses.certainty(told, torch.full((1, 1, 1, 1), f)).mean() for f in (1.0, 8.0))
    assert float(noisier) < 0.6 * float(same)


def test_light_that_leaks_over_an_edge_of_the_guides_counts_more() -> None:
    noisy, guides = torch.full((1, 3, 32, 32), 20.0), NO_GUIDES.expand(1, 10, 32, 32).clone()
    noisy[..., 16, :], guides[:, :3, 16] = 0.05, 1.0  # a dark line before a window
    likely = losses.probable(noisy, guides, spread_of(noisy, guides))
    weight = losses.caution(torch.full_like(noisy, 20.0), likely)
    assert float(weight[..., 16, :].min()) == pytest.approx(900, rel=0.01)
    assert float(weight[..., 4, :].max()) == pytest.approx(1, rel=0.01)


def test_leak_over_an_edge_that_no_guide_shows_counts_more_where_the_input_is_known_to_be_clean() -> None:
    noisy, guides = torch.full((1, 3, 32, 32), 20.0), NO_GUIDES.expand(1, 10, 32, 32)
    noisy[..., 16, :] = 0.05
    clean, noise = torch.zeros(1, 1, 32, 32), torch.full((1, 1, 32, 32), 0.1)
    sure, unsure = (
        losses.caution(torch.full_like(noisy, 20.0), losses.probable(noisy, guides, v))
        for v in (clean, noise)
    )
    leaks = [float(weight[0, 0, 16, 5] / weight[0, 0, 4, 5]) for weight in (sure, unsure)]
    assert leaks[0] == pytest.approx(900, rel=0.01)
    assert leaks[1] < 30


def test_what_is_too_dark_costs_its_share_of_what_is_probable_and_no_more() -> None:
    """So that a network in doubt has no reason to keep fireflies: relMSE asks the same."""
    noisy, guides = torch.full((1, 3, 16, 16), 2.0), NO_GUIDES.expand(1, 10, 16, 16)
    likely = losses.probable(noisy, guides, torch.zeros(1, 1, 16, 16))
    for level in (0.0, 0.02, 1.0):
        dark = torch.full_like(noisy, level)
        cost = losses.every()["relative_l2"](dark, noisy, losses.caution(dark, likely))
        assert float(cost) == pytest.approx((2 - level) ** 2 / (2 + losses.EPSILON) ** 2, rel=0.01)


def test_tamed_target_loses_its_fireflies_and_nothing_else() -> None:
    chance = torch.Generator().manual_seed(2)
    target = torch.exp(0.5 * torch.randn((1, 3, 64, 64), generator=chance))
    estimate, likely = torch.ones_like(target), torch.zeros_like(target)
    likely[..., 40, 40] = 30.0  # a lamp
    target[..., 20, 20], target[..., 40, 40] = 1e4, 40.0
    tamed = losses.tamed(target, estimate, likely, 9.0)
    changed = (tamed != target).any(1)[0]
    assert changed.nonzero().tolist() == [[20, 20]]
    assert tamed[0, :, 20, 20].tolist() == pytest.approx([9 * (1 + losses.EPSILON)] * 3)
    assert torch.equal(losses.tamed(target, estimate, likely, float("inf")), target)


def test_few_fireflies_have_most_of_the_gradient_and_none_of_it_once_tamed() -> None:
    """What `tamed` is for: long-tailed noise as of renders, seen by the gradient's square."""
    chance = torch.Generator().manual_seed(4)
    target = torch.exp(2.5 * torch.randn((1, 3, 256, 256), generator=chance) - 2.5**2 / 2)
    ones = torch.ones_like(target)

    def share_of_few(goal: torch.Tensor) -> float:
        squares = (ones - goal).square().flatten().sort(descending=True).values
        return float(squares[: len(squares) // 1000].sum() / squares.sum())

    assert share_of_few(target) > 0.6
    assert share_of_few(losses.tamed(target, ones, ones, 9.0)) < 0.05


def test_means_over_squares_ask_for_the_light_on_the_whole_and_for_no_more() -> None:
    chance = torch.Generator().manual_seed(5)
    target = torch.exp(torch.randn((1, 3, 96, 96), generator=chance) - 0.5)
    level = torch.ones(1, 3, 1, 1, requires_grad=True)
    noisy = torch.exp(torch.randn((1, 3, 96, 96), generator=chance) - 0.5)

    def cost(estimate: torch.Tensor) -> torch.Tensor:
        return losses.of_means(estimate, target, noisy)

    least = min(np.linspace(0.7, 1.3, 61), key=lambda c: float(cost(c * torch.ones_like(target))))
    assert least == pytest.approx(float(target.mean()), abs=0.03)
    cost(0.9 * level * torch.ones_like(target)).backward()
    assert level.grad is not None
    assert bool((level.grad < 0).all())  # too dark: up with it
    kept = target.mean((2, 3), keepdim=True).expand_as(target)
    assert float(cost(kept)) < 0.1 * float(cost(0.8 * kept))


def test_light_that_is_missing_is_asked_of_surfaces_and_not_of_fireflies() -> None:
    estimate = torch.ones(1, 3, 64, 64)
    estimate[..., 20, 20] = 50.0
    estimate.requires_grad_()
    target = torch.full((1, 3, 64, 64), 1.5)
    losses.of_means(estimate, target, target).backward()
    assert estimate.grad is not None
    # Steps are relative to what is there: the firefly would grow 50 times as fast.
    assert abs(float(50 * estimate.grad[0, 0, 20, 20])) < 0.2 * abs(float(estimate.grad[0, 0, 40, 40]))


@pytest.mark.parametrize("samples", [1.0, 4.0])
def test_best_of_constants_for_the_noise_is_its_variance_in_tones(samples: float) -> None:
    chance = torch.Generator().manual_seed(3)
    noise = torch.randn((2, 1, 3, 256, 256), generator=chance)
    noisy, target = torch.exp(0.2 * noise[0]), torch.exp(0.2 * samples**-0.5 * noise[1])
    ratio = torch.full((1, 1, 1, 1), 1 / samples)
    variance = torch.full((1, 1, 1, 1), 0.004).expand(1, 1, 256, 256).clone().requires_grad_()
    losses.of_noise(variance, noisy, target, ratio).backward()  # 0.2 in logarithms is 0.04 in tones
    assert variance.grad is not None
    assert float(variance.grad.mean()) > 0
    true = tone_map(noisy).var() * torch.ones(1, 1, 256, 256) - affinity.CLEAN
    at_best = true.clone().requires_grad_()
    losses.of_noise(at_best, noisy, target, ratio).backward()
    assert at_best.grad is not None
    assert abs(float(at_best.grad.sum() * true.mean())) < 0.03


def test_best_prefiltered_guides_are_the_mean_of_noisy_ones() -> None:
    noisy = torch.randn(400, 10, 1, 1, generator=torch.Generator().manual_seed(1))
    guides = torch.zeros(1, 7, 1, 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([guides])

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = losses.of_guides(guides.expand(400, -1, -1, -1), noisy)
        value.backward()
        return value

    optimizer.step(loss)
    torch.testing.assert_close(guides.detach(), noisy[:, :7].mean(0, keepdim=True), rtol=1e-3, atol=1e-4)
