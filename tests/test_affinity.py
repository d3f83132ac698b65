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
