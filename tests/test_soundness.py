"""A pair that can't be trained on is told from one that can, by what the two renders show."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from mcdenoise import soundness
from mcdenoise.frame import Attribute, Frame

SIZE = (96, 96)
Render = Callable[..., Frame]


@pytest.fixture
def clean() -> np.ndarray:
    """A soft gradient with a bright square."""
    y, x = np.meshgrid(*(np.linspace(0, 1, extent) for extent in SIZE), indexing="ij")
    picture = 0.2 + x * y
    picture[20:30, 20:30] += 3
    return np.repeat(picture[..., None], 3, axis=2).astype(np.float32)


@pytest.fixture
def render(clean: np.ndarray) -> Render:
    """Gamma noise of so many samples on the clean picture, through a filter of so many pixels."""

    def make(
        number: int, /, *, spp: int = 8, blur: float = 0.0, scale: float = 1.0, **said: Attribute
    ) -> Frame:
        noise = np.random.default_rng(number).gamma(spp / 4, 4 / spp, (*SIZE, 1))
        color = clean * scale * noise
        if blur:
            color = ndimage.gaussian_filter(color, (blur, blur, 0))
        return framed(color.astype(np.float32), **said)

    return make


def framed(color: np.ndarray, **said: Attribute) -> Frame:
    albedo, normal = np.full((*SIZE, 3), 0.5, np.float32), np.zeros((*SIZE, 3), np.float32)
    planes = {"color": color, "albedo": albedo, "normal": normal, "depth": np.ones((*SIZE, 1), np.float32)}
    return Frame(planes, {f"mcdenoise.{name}": value for name, value in said.items()})


def with_plane(frame: Frame, name: str, value: float) -> Frame:
    plane = frame.planes[name].copy()
    plane[3, 4] = value
    return Frame({**frame.planes, name: plane}, frame.attributes)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("spp", "name", "blur"), [(1, "box", 0), (8, "box", 0), (64, "box", 0), (4, "gaussian", 0.5)]
)
def test_sound_pair_has_no_fault(render: Render, seed: int, spp: int, name: str, blur: float) -> None:
    pair = [render(2 * seed + i, spp=spp, blur=blur, filter=name, seed=2 * seed + i) for i in range(2)]
    assert soundness.faults(pair) == []


def test_clean_pair_has_no_fault_since_it_has_no_noise_to_judge(clean: np.ndarray) -> None:
    other = clean * np.float32(1 + 1e-6)
    assert soundness.faults([framed(clean, filter="gaussian"), framed(other, filter="gaussian")]) == []


@pytest.mark.parametrize("weight", [0.55, 0.58])
def test_halves_that_share_samples_are_correlated(render: Render, weight: float) -> None:
    one, other, common = (render(seed).color for seed in (1, 2, 3))
    mixed = [framed(weight * common + (1 - weight) * own) for own in (one, other)]
    (fault,) = soundness.faults(mixed)
    assert fault.startswith("a and b: their noise is correlated (0.")


def test_declared_filter_is_held_against_the_noise(render: Render) -> None:
    (fault,) = soundness.faults([render(seed, blur=0.6, filter="box") for seed in (1, 2)])
    assert fault.startswith("a and b: declared as box-filtered, but neighbours share noise (0.")
    (fault,) = soundness.faults([render(seed, filter="gaussian") for seed in (1, 2)])
    assert fault.startswith("a and b: declared as gaussian-filtered, but neighbours share no noise (")
    assert soundness.faults([render(seed, filter="blackman-harris") for seed in (1, 2)]) == []
    assert soundness.faults([render(seed, blur=0.6) for seed in (1, 2)]) == []  # nothing was declared


def test_renderer_that_draws_samples_from_the_filter_spreads_no_noise(render: Render) -> None:
    said = {"filter": "gaussian", "renderer": "cycles 5.0.1 cpu"}
    assert soundness.faults([render(seed, **said) for seed in (1, 2)]) == []
    (fault,) = soundness.faults([render(seed, blur=0.6, **said) for seed in (1, 2)])
    assert fault.startswith("a and b: declared as gaussian-filtered, but neighbours share noise (0.")


def test_other_exposure_is_told_from_noise(render: Render) -> None:
    (fault,) = soundness.faults([render(1), render(2, scale=1.2)])
    assert fault.startswith("a and b: their means differ by ")
    assert soundness.faults([render(1, spp=1), render(2, spp=1)]) == []


def test_same_seed_and_same_pixels(render: Render) -> None:
    assert soundness.faults([render(1, seed=7), render(2, seed=7)]) == [
        "a and b: have the same seed, so the noise is the same"
    ]
    assert soundness.faults([render(1), render(1)]) == [
        "a and b: have the same pixels; render them with different seeds"
    ]


def test_every_two_of_more_renders_are_compared(render: Render) -> None:
    frames = [render(1), render(2), render(3), render(2)]
    assert soundness.faults(frames) == ["b and d: have the same pixels; render them with different seeds"]


def test_one_render_is_no_pair(render: Render) -> None:
    assert soundness.faults([render(1)]) == ["has one render; a pair needs two with different seeds"]


@pytest.mark.parametrize(
    ("plane", "value", "said"),
    [
        ("color", np.nan, "b: NaN or Inf in color (1 pixels)"),
        ("depth", np.inf, "b: NaN or Inf in depth (1 pixels)"),
        ("color", -0.5, "b: negative radiance (-0.5) under a box filter"),
        ("color", 65504, "b: radiance clipped at 65504, the end of half; write float"),
        ("albedo", 1.2, "b: albedo outside 0..1: 0.5 to 1.2"),
        ("normal", -1.1, "b: normal outside -1..1: -1.1 to 0"),
    ],
)
def test_values_that_no_render_should_have(render: Render, plane: str, value: float, said: str) -> None:
    pair = [render(1, filter="box"), with_plane(render(2, filter="box"), plane, value)]
    assert soundness.faults(pair) == [said]


def test_negative_radiance_is_right_under_negative_lobes(render: Render) -> None:
    pair = [render(seed, blur=0.5, filter="mitchell") for seed in (1, 2)]
    assert soundness.faults([pair[0], with_plane(pair[1], "color", -0.01)]) == []


def test_black_is_a_fault(render: Render) -> None:
    black = framed(np.zeros((*SIZE, 3), np.float32))
    assert "b: color is black everywhere" in soundness.faults([render(1), black])


def test_halves_of_different_planes_or_sizes(render: Render) -> None:
    one, other = render(1), Frame({"color": render(2).color})
    (fault,) = soundness.faults([one, other])
    assert fault == "its halves hold different planes: albedo, depth, normal is in one only"
    small = Frame({name: plane[:50] for name, plane in one.planes.items()})
    assert soundness.faults([one, small]) == ["its halves differ in size: (96, 96) and (50, 96)"]
