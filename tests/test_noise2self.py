"""What one noisy buffer says of itself and of a denoiser."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from mcdenoise import noise2self
from mcdenoise.frame import Frame

SIZE = (64, 80)


def frame(seed: int, *, spread: float = 0.0, guided: bool = True) -> Frame:
    """A tilted plane under log-normal noise, which a Gaussian of so many pixels spreads."""
    chance = np.random.default_rng(seed)
    noise = chance.lognormal(-0.125, 0.5, (*SIZE, 1)) * np.ones(3)
    clean = 0.2 + np.linspace(0, 1, SIZE[1])[None, :, None] * np.ones((*SIZE, 3))
    if spread:
        noise = ndimage.gaussian_filter(noise, (spread, spread, 0))
    planes = {"color": clean * noise}
    if guided:
        planes |= {"albedo": np.full((*SIZE, 3), 0.5), "normal": np.zeros((*SIZE, 3))}
    return Frame({name: plane.astype(np.float32) for name, plane in planes.items()})


@pytest.mark.parametrize("guided", [True, False])
def test_independent_noise_is_no_fault(guided: bool) -> None:
    assert all(not noise2self.fault(frame(seed, guided=guided)) for seed in range(5))


@pytest.mark.parametrize("guided", [True, False])
def test_noise_of_a_splatting_filter_is_found(guided: bool) -> None:
    found = [noise2self.fault(frame(seed, spread=0.6, guided=guided)) for seed in range(5)]
    assert all("share noise" in fault for fault in found)


def test_frame_without_noise_is_no_fault() -> None:
    planes = {"color": np.full((*SIZE, 3), 0.5, np.float32)}
    assert not noise2self.fault(Frame(planes))


def test_phases_hide_each_pixel_once_and_no_two_neighbours() -> None:
    masks = [noise2self.mask((10, 13), phase) for phase in range(noise2self.PHASES)]
    np.testing.assert_array_equal(np.sum(masks, axis=0), 1)
    assert all(
        (ndimage.convolve(mask.astype(int), np.ones((3, 3)), mode="constant") <= 1).all() for mask in masks
    )


def test_hidden_pixel_has_no_part_in_what_stands_in_for_it() -> None:
    hidden = noise2self.mask(SIZE, 5)
    noisy = frame(1)
    changed = Frame(
        {**noisy.planes, "color": np.where(hidden[..., None], 9.0, noisy.color).astype(np.float32)}
    )
    one, other = noise2self.hide(noisy, hidden), noise2self.hide(changed, hidden)
    np.testing.assert_array_equal(one.color, other.color)
    np.testing.assert_array_equal(one.color[~hidden], noisy.color[~hidden])
    np.testing.assert_array_equal(one.planes["albedo"], noisy.planes["albedo"])


def test_plane_is_its_own_stand_in() -> None:
    y, x = np.mgrid[0:9.0, 0:9.0]
    plane = torch.from_numpy(1 + 2 * x + 3 * y)[None, None]
    around = noise2self.masked(plane, torch.ones(9, 9, dtype=torch.bool))
    torch.testing.assert_close(around[..., 1:-1, 1:-1], plane[..., 1:-1, 1:-1])
