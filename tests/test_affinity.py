import pytest
import torch
import torch.nn.functional as F

from mcdenoise import affinity


def test_filter_without_guides_is_the_mean_of_the_window() -> None:
    picture = torch.arange(25.0).reshape(1, 1, 5, 5)
    smooth = affinity.smoothed(picture, torch.zeros(1, 10, 5, 5), 5)
    assert float(smooth[..., 2, 2]) == 12.0


def test_filter_mixes_nothing_across_an_edge_of_the_guides() -> None:
    picture, guides = torch.ones(1, 3, 8, 8), torch.zeros(1, 10, 8, 8)
    picture[..., 4:], guides[:, :3, :, 4:] = 100.0, 1.0
    smooth = affinity.smoothed(picture, guides, 3)
    assert float(smooth[..., :4].max()) < 1.0001
    assert float(smooth[..., 4:].min()) > 99.999


def test_each_guide_makes_strangers() -> None:
    one = torch.zeros(1, 7, 1, 1)
    for channel in range(affinity.CHANNELS):
        other = one.clone()
        other[:, channel] = 1.0
        assert float(affinity.strangeness(one, other, affinity.care(one))) in affinity.CARE


def test_tone_makes_strangers_where_there_is_one() -> None:
    one = torch.zeros(1, 10, 1, 1)
    for channel in range(affinity.CHANNELS, 10):
        other = one.clone()
        other[:, channel] = 1.0
        found = float(affinity.strangeness(one, other, affinity.care(one)))
        assert found == pytest.approx(affinity.CARE[3])


def test_strangers_say_nothing_of_a_tone() -> None:
    tone, guides = torch.zeros(1, 3, 16, 16), torch.zeros(1, 10, 16, 16)
    tone[..., 8:], guides[:, 0, :, 8:] = 1.0, 1.0  # a clean edge that the albedo shows
    kin = affinity.kin(tone, guides)
    assert float(kin.variance.max()) == 0.0
    assert torch.equal(kin.mean, tone)
    assert (float(kin.number[..., 8, 3]), float(kin.number[..., 8, 7])) == (25.0, 15.0)
    assert (float(kin.near[..., 8, 3]), float(kin.near[..., 8, 7])) == (9.0, 6.0)


@pytest.mark.parametrize("sigma", [0.02, 0.2])
def test_noise_is_told_on_plain_surfaces(sigma: float) -> None:
    tone = 0.5 + sigma * torch.randn((1, 3, 64, 64), generator=torch.Generator().manual_seed(2))
    told = affinity.noise(tone, affinity.kin(tone, torch.zeros(1, 10, 64, 64)))
    assert float(told.mean()) == pytest.approx(sigma**2, rel=0.05)


def test_pixel_without_kin_has_the_noise_of_those_around() -> None:
    chance = torch.Generator().manual_seed(2)
    tone, guides = 0.5 + 0.1 * torch.randn((1, 3, 33, 33), generator=chance), torch.zeros(1, 10, 33, 33)
    guides[:, 0, 16, 16], tone[..., 16, 16] = 1.0, 3.0
    told = affinity.noise(tone, affinity.kin(tone, guides))
    assert float(told[..., 16, 16]) == pytest.approx(0.01, rel=0.4)


def test_lines_and_surfaces_have_pixels_alike_and_fireflies_have_none() -> None:
    tone, guides = torch.full((1, 3, 16, 16), 0.2), torch.zeros(1, 10, 16, 16)
    tone[..., 5, :], tone[..., 11, 8] = 0.9, 1.5
    unlike = affinity.kin(tone, guides).unlike
    assert float(unlike[..., 5, 4]) == 0.0
    assert float(unlike[..., 11, 8]) == pytest.approx(1.3**2)


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (3, 4), (9, 16)])
def test_box_is_the_mean_of_the_pixels_that_there_are(size: tuple[int, int]) -> None:
    picture = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    expected = F.avg_pool2d(picture, 5, stride=1, padding=2, count_include_pad=False)
    torch.testing.assert_close(affinity.box(picture), expected)
