import pytest
import torch

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
        assert float(affinity.strangeness(one, other, affinity.care(one))) == affinity.CARE[3]


def test_brightest_kin_is_found_eight_pixels_away_and_strangers_are_not() -> None:
    level, guides = torch.full((1, 1, 32, 32), 0.1), torch.zeros(1, 10, 32, 32)
    level[..., 16, 24], level[..., 16, 17], guides[:, 0, 16, 17] = 2.0, 50.0, 1.0
    brightest = affinity.brightest_kin(level, guides)
    assert float(brightest[..., 16, 16]) == 2.0
    assert float(brightest[..., 16, 17]) == 50.0
    assert float(brightest[..., 4, 4]) == pytest.approx(0.1)
