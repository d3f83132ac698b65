"""What every network promises (`networks/_contract.py`), and what each promises besides; random weights."""

import contextlib
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small
import torch
from torch import Tensor

from mcdenoise import affinity, checkpoint, encoding, engine, exr, networks, plugins
from mcdenoise.encoding import GUIDE_CHANNELS, RADIANCE_LIMIT, tone_map
from mcdenoise.frame import Frame
from mcdenoise.networks import _blocks, _compiled, _fused, _kernels, _swift_filters, hybrid
from mcdenoise.networks._contract import Denoising
from mcdenoise.networks._trunk import PARTS, PER_LEVEL, Predicted

EXAMPLE = Path(__file__).parent.parent / "examples" / "frame.exr"
every_network = pytest.mark.parametrize("name", plugins.names(networks))


# ---- the contract ----


@every_network
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
def test_network_keeps_sizes(name: str, strides: tuple[int, int]) -> None:
    network = small.network(name)
    size = (strides[0] * network.stride, strides[1] * network.stride)
    assert network(*small.inputs(*size)).shape == (1, 3, *size)


@every_network
@pytest.mark.parametrize("autocast", [False, True])
def test_output_is_finite_float32_for_everything_that_encoding_lets_through(
    name: str, autocast: bool
) -> None:
    network = small.network(name)
    color, guides = small.inputs(32, 48)
    color[..., 10:20, 10:20] = 0
    color[..., 25, :] = -RADIANCE_LIMIT
    color[..., 5::16, 3::16] = RADIANCE_LIMIT  # fireflies
    color[..., 30:, 40:] = RADIANCE_LIMIT  # a lamp
    guides[..., :16] = 0

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        estimate = network(color, guides)

    assert estimate.dtype == torch.float32
    assert estimate.isfinite().all()


@every_network
@pytest.mark.parametrize("axis", [2, 3])
def test_no_output_pixel_depends_on_an_input_pixel_beyond_the_radius(name: str, axis: int) -> None:
    network = small.network(name)
    assert small.farthest_dependence(network, axis) <= network.radius


@every_network
def test_tiles_on_multiples_of_the_stride_join_to_the_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "precision", lambda _: contextlib.nullcontext())
    network, device = small.network(name), torch.device("cpu")
    planes = {"color": 3, "albedo": 3, "normal": 3, "depth": 1}
    chance = np.random.default_rng(0)
    frame = Frame({name: chance.lognormal(0, 1, (21, 2 * network.radius + 150, channels)).astype(np.float32)
                   for name, channels in planes.items()})  # fmt: skip
    tiled: list[int] = []

    whole, _ = engine.denoise(network, frame, device=device)
    joined, _ = engine.denoise(
        network, frame, device=device, tile=48, on_tile=lambda _, total: tiled.append(total)
    )

    assert len(tiled) > 3
    assert np.abs(whole - joined).max() < 1e-3 * np.abs(whole).max()


@every_network
def test_items_of_a_batch_do_not_see_each_other(name: str) -> None:
    network = small.network(name)
    one, other = small.inputs(32, 32, seed=1), small.inputs(32, 32, seed=2)
    both = network(*(torch.cat(parts) for parts in zip(one, other, strict=True)))
    torch.testing.assert_close(both[1:], network(*other), rtol=1e-4, atol=1e-5)


def test_shipped_weights_compute_the_same_in_use_as_while_they_learn() -> None:
    encoded = encoding.encode(exr.read_frame(EXAMPLE))
    given = [part[..., :64, :112].contiguous() for part in (encoded.color, encoded.guides)]
    network = checkpoint.load_model("standard").network
    with torch.inference_mode():
        torch.testing.assert_close(network(*given), network.in_full(*given).estimate, rtol=1e-3, atol=1e-4)


def test_loops_compiled_before_a_change_of_any_module_are_not_found_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def loop() -> None:
        """Has no closure, which would be part of the key."""

    key = _compiled._Kept(loop)._index_key
    codegen = types.SimpleNamespace(magic_tuple=tuple)
    before = key((), codegen)
    assert key((), codegen) == before
    sources = _compiled._state_of_sources()
    monkeypatch.setattr(_compiled, "_state_of_sources", lambda: sources[:-1])
    assert key((), codegen) != before


def test_pixel_without_kin_has_no_variance_whatever_rounding_leaves() -> None:
    tone, guides = torch.rand(1, 3, 16, 32) + 0.3, torch.rand(1, 10, 16, 32) * 100
    assert not affinity.kin(tone, guides).variance.any()
    assert not _fused.kin(tone, guides).variance.any()


def test_gradient_of_spread_out_is_that_of_a_pixel_shuffle() -> None:
    packed = torch.randn(2, 12, 3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.equal(_blocks.spread_out(packed), torch.nn.functional.pixel_shuffle(packed, 2))
    assert torch.autograd.gradcheck(_blocks.spread_out, packed)


@pytest.mark.parametrize(("variance", "weight"), [(0.0, 1.0), (0.1, 0.61)])
def test_pixel_that_outshines_its_neighbours_counts_fully_only_where_all_is_clean(
    variance: float, weight: float
) -> None:
    trust, outshines = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    outshines[..., 1, 2] = 0.25  # half a tone: twelve times as bright
    found = hybrid.sceptical(trust, outshines, torch.full_like(trust, variance)).exp()
    assert float(found[..., 1, 2]) == pytest.approx(weight, rel=0.1)
    found[..., 1, 2] = 1
    assert torch.equal(found, torch.ones_like(found))


def test_only_what_is_brighter_than_all_around_outshines_it() -> None:
    tone, guides = torch.full((1, 3, 16, 16), 0.5), torch.zeros(1, GUIDE_CHANNELS, 16, 16)
    tone[..., 4, 4], tone[..., 11, 11] = 0.9, 0.1  # a firefly, and a dark thing
    tone[..., 8, :] = 0.9  # a bright line, whose pixels are like each other
    found = affinity.outshining(tone, affinity.kin(tone, guides).unlike)
    assert float(found[..., 4, 4]) == pytest.approx(0.16)
    found[..., 4, 4] = 0
    assert not found.any()


def test_tones_are_means_under_the_root_of_the_weight_and_riders_under_all_of_it() -> None:
    radiance, weight = torch.rand(1, 8, 1, 2) * 9, torch.tensor([[[[1.0, 9.0]]]])
    weighted = torch.cat([radiance * weight, weight], dim=1)
    found = _kernels.mean_tone(weighted, lambda image: image.mean(3, keepdim=True).expand_as(image))
    given = torch.cat([tone_map(radiance[:, :3]), radiance[:, 3:6]], dim=1)
    tones = given @ torch.tensor([[0.25], [0.75]])
    riders = radiance[:, 6:] @ torch.tensor([[0.1], [0.9]])
    torch.testing.assert_close(found, torch.cat([tones, riders], dim=1).expand_as(found))


@pytest.mark.parametrize(("variance", "kept"), [(0.0, 1.0), (1e-5, 1.0), (0.02, 0.1)])
@pytest.mark.parametrize(("y", "x"), [(8, 8), (8, 0), (15, 9), (0, 15)])
def test_lone_bright_pixel_is_a_firefly_among_noise_and_a_highlight_where_all_is_clean(
    variance: float, kept: float, y: int, x: int
) -> None:
    estimate = torch.full((1, 3, 16, 16), 0.2)
    estimate[..., y, x] = torch.tensor([30.0, 20.0, 10.0])
    estimate[..., 3:5, 3:5] = 30.0  # no lone pixel
    noise = torch.full((1, 1, 16, 16), variance)
    noise[..., y, x] = 1.0  # the network's own opinion of that pixel
    result = hybrid.without_fireflies(estimate, noise)
    share = result[0, :, y, x] / estimate[0, :, y, x]
    assert float(share[0]) <= kept
    assert float(share[0]) == kept or kept < 1
    torch.testing.assert_close(share, share[:1].expand(3))  # its colour stays
    result[..., y, x] = estimate[..., y, x]
    torch.testing.assert_close(result, estimate)


@pytest.mark.parametrize(("own", "kept"), [(1e-3, 1.0), (0.2, 0.1)])
def test_lone_bright_pixel_in_little_noise_is_what_the_network_says_it_is(own: float, kept: float) -> None:
    estimate, noise = torch.full((1, 3, 16, 16), 0.2), torch.full((1, 1, 16, 16), 1e-3)
    estimate[..., 8, 8], noise[..., 8, 8] = 10.0, own
    share = float(hybrid.without_fireflies(estimate, noise)[0, 0, 8, 8]) / 10
    assert share == 1 if kept == 1 else share < kept


def test_texture_that_the_albedo_shows_comes_through_and_noise_does_not() -> None:
    chance = torch.Generator().manual_seed(5)
    albedo = (0.4 + 0.03 * torch.randn((1, 3, 64, 64), generator=chance)).clamp(0.3, 0.5)  # kin, all of it
    guides, clean = torch.zeros(1, GUIDE_CHANNELS, 64, 64), 0.5 * albedo
    guides[:, :3], guides[:, 5], guides[:, 7:] = albedo, 1.0, 1.0
    color = clean * (1 + 0.1 * torch.randn((1, 1, 64, 64), generator=chance))
    network = small.network("hybrid")
    errors = []
    with torch.no_grad():
        for key, value in network.named_parameters():
            if "heads" in key:
                value.zero_()  # plain means over 5x5 pixels at each level
        said = network.get_parameter("trunk.heads.0.bias")[PER_LEVEL:].view(-1, 4)
        share, said[-13] = said[51], 20.0  # guides as they are
        for taken in (-20.0, 20.0):
            share[:] = taken
            errors.append(float((network(color, guides) / clean - 1).std()))
    assert errors[1] < 0.6 * errors[0]
    assert errors[0] > 0.05  # the texture, gone


def test_pixel_like_none_around_may_be_shifted_further_and_none_where_there_is_no_noise() -> None:
    near, shift = torch.tensor([9.0, 5.0, 4.0, 1.0]).view(1, 1, 1, 4), torch.full((1, 3, 1, 4), 99.0)
    found = hybrid.shifted(shift, near, torch.full_like(near, 1e6))
    expected = hybrid.SHIFT * torch.tensor([1.0, 1.0, 2.5, 4.0])
    torch.testing.assert_close(found, expected.expand_as(found), rtol=1e-3, atol=0)
    assert not hybrid.shifted(shift, near, torch.zeros_like(near)).any()


def test_noisy_pixels_are_mixed_from_others_and_those_without_noise_are_not() -> None:
    picture = torch.rand(1, 4, 8, 8)
    mixture, itself = (torch.full((1, 25, 8, 8), -99.0) for _ in range(2))
    mixture[:, 0], mixture[:, 24] = 99.0, 99.0  # half each of two that are two pixels away
    itself[:, 12] = 99.0
    noisy = torch.zeros(1, 1, 8, 8)
    noisy[..., 4, 4], noisy[..., 4, 5] = 1.0, 0.5
    result = hybrid.mended(picture, itself, torch.ones_like(noisy), mixture, noisy)
    for x in (4, 5):
        mixed = (picture[..., 2, x - 2] + picture[..., 6, x + 2]) / 2
        torch.testing.assert_close(
            result[..., 4, x], torch.lerp(picture[..., 4, x], mixed, noisy[0, 0, 4, x])
        )
    result[..., 4, 4:6] = picture[..., 4, 4:6]
    assert torch.equal(result, picture)


def test_noisy_pixel_follows_its_kernel_as_strongly_as_is_predicted_before_it_is_mixed() -> None:
    picture, noisy = torch.rand(1, 4, 8, 8), torch.full((1, 1, 8, 8), 0.8)
    left, two_right = torch.full((1, 25, 8, 8), -99.0), torch.full((1, 25, 8, 8), -99.0)
    left[:, 11], two_right[:, 14] = 99.0, 99.0
    result = hybrid.mended(picture, left, torch.full_like(noisy, 0.25), two_right, noisy)
    along = torch.lerp(picture, picture.roll(1, 3), 0.2)
    torch.testing.assert_close(result[..., 2:6], torch.lerp(along, along.roll(-2, 3), 0.8)[..., 2:6])


def test_what_the_network_says_is_no_noise_is_not_mixed() -> None:
    found = torch.tensor([0.4, 0.4, 1e-9]).view(1, 1, 1, 3)
    share = hybrid.noisiness(found * torch.tensor([1.0, 1e-4, 1.0]), found).flatten()
    assert share[0] > 0.95
    assert share[1] < 0.01
    assert share[2] < 1e-4


@every_network
def test_every_weight_learns(name: str) -> None:
    network = small.network(name)
    network(*small.inputs(32, 32)).square().mean().backward()
    idle = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert idle == []


@every_network
def test_crop_with_a_thousand_times_the_loss_of_another_teaches_no_more(name: str) -> None:
    network = small.network(name).train()
    two = zip(small.inputs(32, 32), small.inputs(32, 32, seed=1), strict=True)
    color, guides = (torch.cat(part) for part in two)

    def gradient(*share: float) -> Tensor:
        error = encoding.tone_map(network(color, guides)) - encoding.tone_map(color.roll(5, dims=3))
        loss = (error.square().mean((1, 2, 3)) * torch.tensor(share)).mean()
        network.zero_grad()
        loss.backward()
        return torch.cat([value.grad.flatten() for value in network.parameters() if value.grad is not None])

    one, other, both = gradient(1e3, 0.0), gradient(0.0, 1e3), gradient(1e6, 1e3)
    torch.testing.assert_close(both, one + other, rtol=0.02, atol=float(0.02 * both.abs().max()))
    assert float(gradient(1e-9, 1e-9).abs().max()) < 1e-3 * float(both.abs().max())


@every_network
def test_network_computes_the_same_while_it_learns_and_while_it_runs(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = small.network(name)
    given = small.inputs(32, 48)
    learning = network.train().in_full(*given).estimate
    used = network.eval().in_full(*given).estimate
    with torch.inference_mode():
        torch.testing.assert_close(used, network(*given), rtol=1e-3, atol=1e-4)
    # A bound is for use, and in the way while it learns.
    monkeypatch.setattr(hybrid, "without_fireflies", lambda estimate, _: estimate)
    torch.testing.assert_close(learning, network.in_full(*given).estimate, rtol=1e-3, atol=1e-4)


@every_network
def test_network_survives_a_checkpoint(name: str, tmp_path: Path) -> None:
    network = small.network(name)
    checkpoint.save_model(tmp_path / "model.safetensors", network, {"by": "a test"})

    loaded = checkpoint.load_model(tmp_path / "model.safetensors")

    assert (type(loaded.network), loaded.network.recipe) == (type(network), network.recipe)
    assert (loaded.name, loaded.card) == ("model", {"by": "a test"})
    inputs = small.inputs(16, 16)
    assert torch.equal(loaded.network(*inputs), network(*inputs))


@every_network
def test_inputs_are_not_written_to(name: str) -> None:
    inputs = small.inputs(32, 32)
    before = [part.clone() for part in inputs]
    with torch.inference_mode():
        small.network(name)(*inputs)
    assert all(torch.equal(old, new) for old, new in zip(before, inputs, strict=True))


# ---- kpn ----


def with_albedo(guides: torch.Tensor, albedo: torch.Tensor | float) -> torch.Tensor:
    """Random guides whose albedo is known."""
    return torch.cat([torch.zeros_like(guides[:, :3]) + albedo, guides[:, 3:]], dim=1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("value", [0.0, 1e-3, 5.0, RADIANCE_LIMIT])
def test_kpn_lets_a_constant_through_whatever_its_weights(seed: int, value: float) -> None:
    color, guides = small.inputs(32, 48, seed=seed)
    constant = torch.tensor([1.0, 0.5, 0.25]).reshape(1, 3, 1, 1) * value * torch.ones_like(color)

    estimate = wild(small.network("kpn", seed=seed))(constant, with_albedo(guides, 1))

    torch.testing.assert_close(estimate, constant, rtol=1e-3, atol=0)


def wild(network: Denoising) -> Denoising:
    """Weights so large that kernels are peaked, trust is at its bounds, and blends are 0 or 1."""
    with torch.no_grad():
        for weights in network.parameters():
            weights.mul_(3)
    return network


@pytest.mark.parametrize("seed", range(3))
def test_kpn_invents_no_radiance_beyond_that_of_its_input(seed: int) -> None:
    color, guides = small.inputs(32, 48, seed=seed)
    estimate = wild(small.network("kpn", seed=seed))(color, with_albedo(guides, 1))
    for before, after in zip(color[0], estimate[0], strict=True):
        assert after.min() >= before.min() * 0.999
        assert after.max() <= before.max() * 1.001


def demodulating(share: float) -> Denoising:
    """A network that asks for all of the albedo (a large share) or for none of it (a very negative one)."""
    network = small.network("kpn")
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    finest = max(layers, key=lambda layer: layer.out_channels)
    with torch.no_grad():  # what it predicts before twelve values that tell pixels apart, for four pixels
        finest.weight[-152:-148] = 0
        finest.bias[-152:-148] = share
    return network


def test_kpn_that_asks_for_demodulation_keeps_texture_that_the_albedo_explains() -> None:
    _, guides = small.inputs(32, 48)
    albedo = torch.rand(1, 3, 32, 48).clamp(min=0.05)
    estimate = demodulating(50.0)(albedo * 7, with_albedo(guides, albedo))
    torch.testing.assert_close(estimate, albedo * 7, rtol=1e-3, atol=0)


def test_kpn_that_asks_for_no_demodulation_lets_no_texture_of_the_albedo_through() -> None:
    color, guides = small.inputs(32, 48)
    constant = torch.full_like(color, 7)
    torch.testing.assert_close(demodulating(-50.0)(constant, guides), constant, rtol=1e-3, atol=0)


def test_what_is_left_out_of_a_smaller_network_is_what_did_nothing() -> None:
    wide = networks.build("hybrid", {"widths": [8, 6, 12, 10]}).eval()
    alive = {0: [0, 3, 5, 6], 1: [1, 2, 4], 2: [0, 2, 4, 6, 8, 11], 3: [3, 4, 5, 6, 9]}
    with torch.no_grad():
        for name, layer in wide.named_modules():
            if isinstance(layer, torch.nn.Conv2d) and "coders" in name:
                torch.nn.init.normal_(layer.weight, std=0.1)
                dead = sorted(set(range(layer.out_channels)) - set(alive[int(name.split(".")[2])]))
                layer.weight[dead], layer.bias[dead] = 0, 0
    narrow = networks.build("hybrid", {"widths": [4, 3, 6, 5]}).eval()

    assert narrow.take_over(wide)
    color, guides = small.inputs(32, 48)
    torch.testing.assert_close(narrow.in_full(color, guides).estimate, wide.in_full(color, guides).estimate)
    assert not wide.take_over(narrow)


def test_kernels_of_one_tap_shift_the_picture_and_repeat_its_edge() -> None:
    picture = torch.arange(12.0).reshape(1, 1, 3, 4)
    kernels = torch.zeros(1, 9, 3, 4)
    kernels[:, 0] = 1  # the neighbour above to the left
    expected = torch.tensor([[0.0, 0, 1, 2], [0, 0, 1, 2], [4, 4, 5, 6]]).reshape(1, 1, 3, 4)

    assert torch.equal(_blocks.apply_kernels(picture, kernels, 3), expected)
    with torch.inference_mode():
        assert torch.equal(_blocks.apply_kernels(picture, kernels, 3), expected)


def test_gradients_of_applied_kernels_are_those_of_their_sum() -> None:
    picture = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    kernels = torch.rand(2, 9, 4, 5, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda *given: _blocks.apply_kernels(*given, 3), (picture, kernels))


def test_fused_gradients_of_applied_kernels_are_those_of_their_sum() -> None:
    def gradients(dtype: torch.dtype) -> tuple[Tensor, ...]:
        chance = torch.Generator().manual_seed(3)
        parts = [torch.rand(2, n, 6, 7, generator=chance).to(dtype) for n in (3, 25, 3)]
        picture, kernels, weight = parts[0].requires_grad_(), parts[1].requires_grad_(), parts[2]
        total = (_blocks.apply_kernels(picture, kernels, 5) * weight).sum()
        return torch.autograd.grad(total, (picture, kernels))

    for fused, exact in zip(gradients(torch.float32), gradients(torch.float64), strict=True):
        torch.testing.assert_close(fused, exact.float())


def test_upsampling_puts_each_child_beside_its_parent() -> None:
    coarse = torch.arange(6.0).reshape(1, 1, 2, 3)
    weights = torch.zeros(1, 36, 2, 3)
    weights[:, 4::9] = 1  # each child takes its parent's value
    expected = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(_blocks.upsample(coarse, weights), expected)


# ---- unet ----


def test_unet_has_the_parameters_of_its_model() -> None:
    assert sum(value.numel() for value in small.network("unet").parameters()) == 919_811


def test_guides_are_as_many_as_the_networks_were_built_for() -> None:
    assert GUIDE_CHANNELS == 10  # a model file trained on another number can't be loaded


def test_light_behind_an_edge_of_the_guides_stays_there_from_the_first_step() -> None:
    _, guides = small.inputs(64, 64)
    guides = torch.zeros_like(guides)
    albedo, color = torch.ones(1, 3, 64, 64), torch.full((1, 3, 64, 64), 0.1)
    albedo[..., 30:33, :] = 0.1  # a thin bar before a bright window
    color[..., :30, :], color[..., 33:, :] = 30.0, 30.0
    estimate = small.network("hybrid")(color, with_albedo(guides, albedo))
    assert float(estimate.detach()[..., 31, 8:-8].max()) < 1.0


# ---- the fused filters ----


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to leave the fused filters aside, as on a GPU."""
    return lambda: monkeypatch.setattr(_kernels, "_fused_for", lambda _: None)


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 40, 56), (4, 6, 300), (3, 1, 1), (3, 5, 2)])
def test_fused_filter_and_its_gradients_are_what_torch_computes(
    channels: int, height: int, width: int, plain: Callable[[], None]
) -> None:
    given = [torch.rand(2, channels, height, width) * 100, torch.randn(2, 25, height, width) * 5,
             torch.rand(2, 10, height, width) * 0.3, torch.rand(2, 4, height, width) * 30]  # fmt: skip

    def filtered(picture: Tensor, logits: Tensor, features: Tensor, care: Tensor) -> tuple[Tensor, ...]:
        place = _kernels.Level(features, *(torch.full_like(features[:, :1], value) for value in (0.01, 0.7)))
        return (_kernels._filter(logits, place, care)(picture),)

    compare(filtered, given, plain)


def test_fused_upsampling_and_its_gradients_are_what_torch_computes(plain: Callable[[], None]) -> None:
    given = [torch.rand(2, 3, 10, 20) * 100, torch.randn(2, 36, 10, 20) * 5, torch.rand(2, 10, 20, 40) * 0.3,
             torch.rand(2, 10, 10, 20) * 0.3, torch.randn(2, 4, 10, 20)]  # fmt: skip

    def upsampled(
        picture: Tensor, logits: Tensor, fine: Tensor, coarse: Tensor, care: Tensor
    ) -> tuple[Tensor, ...]:
        places = [
            _kernels.Level(part, *(torch.full_like(part[:, :1], value) for value in (0.01, 0.7)))
            for part in (fine, coarse)
        ]
        zeros = torch.zeros(2, PER_LEVEL, 10, 20).split(PARTS, dim=1)
        level = Predicted(*zeros)._replace(upsampling=logits, upsampling_care=care)
        return _kernels.upsampled(picture, level, *places)

    compare(upsampled, given, plain)


def compare(
    function: Callable[..., tuple[Tensor, ...]], given: list[Tensor], plain: Callable[[], None]
) -> None:
    """Outputs and gradients of `function` with the fused filters and without."""
    copies = [[part.clone().requires_grad_() for part in given] for _ in range(2)]
    fused = function(*copies[0])
    back = [torch.randn(part.shape) for part in fused]
    torch.autograd.backward(fused, back)
    plain()
    expected = function(*copies[1])
    torch.autograd.backward(expected, back)
    for one, other in zip(fused, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    for one, other in zip(*copies, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        atol = 1e-4 + 1e-3 * float(other.grad.abs().max())
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=atol)


def test_fused_statistics_of_kin_are_what_torch_finds() -> None:
    tone, guides = torch.rand(2, 3, 20, 30), torch.rand(2, 10, 20, 30) * 0.2
    for fused, expected in zip(_fused.kin(tone, guides), affinity.kin(tone, guides), strict=True):
        torch.testing.assert_close(fused, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["kpn", "hybrid"])
def test_network_without_the_fused_filters_computes_the_same(name: str, plain: Callable[[], None]) -> None:
    network, (color, guides) = small.network(name), small.inputs(32, 48)
    with torch.no_grad():
        fused = network(color, guides)
        plain()
        # Variances are differences of sums, so the last digits of little noise differ.
        torch.testing.assert_close(fused, network(color, guides), rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize("size", [(16, 16), (32, 80), (96, 48)])
@pytest.mark.parametrize("seed", range(3))
def test_hybrid_in_use_computes_what_it_learned(size: tuple[int, int], seed: int) -> None:
    network, (color, guides) = wild(small.network("hybrid", seed=seed)).eval(), small.inputs(*size, seed=seed)
    color[..., 5::16, 3::16] = RADIANCE_LIMIT  # fireflies
    color[..., 9::16, 1::8] *= -1  # as filters with negative lobes leave it
    guides[:, :7, size[0] // 2 :] *= 1 + 0.01 * torch.randn(1, 7, size[0] // 2, size[1])  # noisy guides
    with torch.no_grad():
        learned = network(color, guides)
    with torch.inference_mode():
        torch.testing.assert_close(network(color, guides), learned, rtol=5e-3, atol=1e-4)


def test_clean_pixels_stay_as_they_are_from_the_first_step_even_where_no_guide_tells_them_apart() -> None:
    color, guides = torch.full((1, 3, 48, 64), 0.02), torch.zeros(1, 10, 48, 64)
    color[..., 20:28, :] = 20.0
    network = small.network("hybrid")
    with torch.no_grad():
        for layer in network.modules():  # before the guides' kernel there is a factor on the noise
            if isinstance(layer, torch.nn.Conv2d) and layer.out_channels == 4 * 118 + 77:
                layer.bias[-104:-100] = -50.0
        torch.testing.assert_close(network(color, guides), color, rtol=0.2, atol=0.01)


def test_what_a_filter_left_below_black_stays_there_beside_a_lamp() -> None:
    color, guides = torch.full((1, 3, 48, 64), 0.1), torch.zeros(1, 10, 48, 64)
    color[..., 20:28, :], guides[:, :3] = 20.0, 0.5
    color[..., 16:20, :] = -0.5
    guides[:, 3, 16:20], guides[:, 4, 20:28] = 1.0, 1.0
    network = small.network("hybrid")
    with torch.inference_mode():
        for found in (network(color, guides), network.in_full(color, guides).estimate):
            assert found[..., 17:19, :].max() < -0.1


@pytest.mark.parametrize("rows", [1, 2, 5, 7])
def test_each_row_is_some_threads_share(rows: int) -> None:
    plane = np.random.default_rng(rows).random((rows, 4), np.float32)
    found = np.zeros_like(plane)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        _swift_filters.smallest(rows, plane, 0, found)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(found, plane)


def test_compiling_is_told_once_and_not_where_the_cache_has_it(tmp_path: Path) -> None:
    code = (
        "import logging, numpy as np\n"
        "logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "from mcdenoise.networks import _swift_filters\n"
        "plane = np.ones((2, 16), np.float32)\n"
        "_swift_filters.smallest(2, plane, 1, np.ones((2, 16), np.float32))\n"
        "largest, estimate = np.ones((4, 18), np.float32), np.ones((3, 2, 16), np.float32)\n"
        "_swift_filters.quenched(2, largest, plane, plane, estimate)\n"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    told = [
        subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    assert [run.stderr.count("compiling the filters, once") for run in told] == [1, 0]
