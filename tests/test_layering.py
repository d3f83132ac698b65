"""layering: parts of the light and alpha go through the picture's filter, and add up."""

from typing import Any

import numpy as np
import pytest
import small
import torch

from mcdenoise import engine, networks, plugins
from mcdenoise.frame import Frame, Plane

MakeFrame = small.MakeFrame
CPU = torch.device("cpu")


@pytest.fixture(params=plugins.names(networks))
def network(request: pytest.FixtureRequest) -> Any:
    return small.network(request.param)


def with_layers(frame: Frame, layers: dict[str, Plane]) -> Frame:
    return Frame(frame.planes, layers=layers)


def lit_by(frame: Frame, *, lights: int = 3, seed: int = 0) -> Frame:
    """Three lights of their own noise; the first is off in the left half."""
    chance = np.random.default_rng(seed)
    shares = chance.dirichlet(np.full(lights, 0.7), frame.size).astype(np.float32)
    shares[:, : frame.size[1] // 2, 0] = 0
    layers = {f"light {i}": frame.color * shares[..., i : i + 1] for i in range(lights)}
    return Frame({**frame.planes, "color": sum(layers.values())}, layers=layers)


@pytest.mark.parametrize("tile", [None, 16])
def test_lights_that_added_up_to_the_picture_still_do(
    network: Any, noisy_frame: MakeFrame, tile: int | None
) -> None:
    clean = engine.denoise_all(network, lit_by(noisy_frame(1)), device=CPU, tile=tile)

    total = sum(plane.astype(np.float16).astype(np.float32) for plane in clean.layers.values())
    np.testing.assert_allclose(total, clean.color, rtol=2e-3, atol=1e-4)


def test_many_lights_are_carried_in_several_rounds_and_add_up(noisy_frame: MakeFrame) -> None:
    frame = lit_by(noisy_frame(1), lights=19)
    clean = engine.denoise_all(small.network("hybrid"), frame, device=CPU)
    np.testing.assert_allclose(sum(clean.layers.values()), clean.color, rtol=1e-4, atol=1e-5)


def test_picture_is_the_same_with_and_without_lights(network: Any, noisy_frame: MakeFrame) -> None:
    frame = lit_by(noisy_frame(1))
    alone = engine.denoise_all(network, Frame(frame.planes), device=CPU)
    lit = engine.denoise_all(network, frame, device=CPU)
    np.testing.assert_allclose(lit.color, alone.color, rtol=2e-2, atol=1e-4)  # bf16


def test_light_that_is_off_stays_off_and_lights_the_other_half_only(
    network: Any, noisy_frame: MakeFrame
) -> None:
    frame = lit_by(noisy_frame(1))
    off = {**frame.layers, "off": np.zeros_like(frame.color)}
    clean = engine.denoise_all(network, with_layers(frame, off), device=CPU)
    assert not clean.layers["off"].any()
    assert clean.layers["light 0"][:, -4:].mean() > 0


def test_light_that_is_a_constant_part_of_the_picture_stays_that_part(
    network: Any, noisy_frame: MakeFrame
) -> None:
    frame = noisy_frame(1)
    parts = {"a": frame.color * np.float32(0.25), "b": frame.color * np.float32(0.75)}
    clean = engine.denoise_all(network, with_layers(frame, parts), device=CPU)
    np.testing.assert_allclose(clean.layers["a"], 0.25 * clean.color, rtol=1e-3, atol=1e-6)


def test_shares_stay_within_what_is_around_them_and_holdouts_stay_empty(
    network: Any, noisy_frame: MakeFrame
) -> None:
    frame = noisy_frame(1)
    alpha = np.ones((*frame.size, 1), np.float32)
    alpha[:, :14] = 0  # a holdout, with a noisy edge
    alpha[:, 14:18] = np.random.default_rng(0).random((frame.size[0], 4, 1))
    color = frame.color * alpha
    clean = engine.denoise_all(
        network, Frame({**frame.planes, "color": color}, layers={"A": alpha}), device=CPU
    )

    filtered = clean.layers["A"]
    assert not filtered[:, :12].any()
    assert not clean.color[:, :12].any()
    assert (filtered[:, 20:] == 1).all()
    assert filtered[:, 14:18].std() < alpha[:, 14:18].std()
    assert filtered.min() >= 0
    assert filtered.max() <= 1


def test_fault_in_one_light_is_replaced_in_all_so_that_the_sum_stays(
    network: Any, noisy_frame: MakeFrame
) -> None:
    frame = lit_by(noisy_frame(1))
    broken = {name: plane.copy() for name, plane in frame.layers.items()}
    broken["light 1"][5, 20] = np.inf
    color = sum(broken.values())
    clean = engine.denoise_all(network, Frame({**frame.planes, "color": color}, layers=broken), device=CPU)

    assert clean.attributes["mcdenoise.replaced"] == 1
    assert np.isfinite(clean.color).all()
    np.testing.assert_allclose(sum(clean.layers.values()), clean.color, rtol=1e-4, atol=1e-5)
