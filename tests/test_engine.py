"""Denoiser: Frame in, Frame out, through real networks with random weights."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import small
import torch
import torch.nn.functional as F

import mcdenoise
from mcdenoise import checkpoint, encoding, engine, networks, plugins
from mcdenoise.engine import Denoiser
from mcdenoise.errors import ModelError, UsageError
from mcdenoise.frame import Frame

MakeFrame = small.MakeFrame


@pytest.fixture(scope="module", params=plugins.names(networks))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of each network."""
    path: Path = tmp_path_factory.mktemp("models") / f"{request.param}.safetensors"
    checkpoint.save_model(path, small.network(request.param), {"steps": 0})
    return path


@pytest.fixture
def denoiser(model: Path) -> Denoiser:
    return Denoiser(model, device="cpu")


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bf16, whose rounding hides small differences."""
    monkeypatch.setattr(engine, "precision", lambda _: contextlib.nullcontext())


def with_color(frame: Frame, color: np.ndarray) -> Frame:
    return Frame({**frame.planes, "color": color.astype(np.float32)}, frame.attributes)


def test_only_color_changes_and_the_model_is_noted(denoiser: Denoiser, noisy_frame: MakeFrame) -> None:
    frame = Frame(noisy_frame(1).planes, {"spp": 8})

    result = denoiser(frame)

    assert result.color.dtype == np.float32
    assert not np.array_equal(result.color, frame.color)
    assert all(result.planes[name] is frame.planes[name] for name in ("albedo", "normal", "depth"))
    expected = {"spp": 8, "mcdenoise.model": denoiser.model_name, "mcdenoise.replaced": 0}
    assert result.attributes == expected


def test_given_frame_stays_as_it_was(denoiser: Denoiser, noisy_frame: MakeFrame) -> None:
    frame = noisy_frame(1)
    before = {name: plane.copy() for name, plane in frame.planes.items()}
    denoiser(frame)
    for name, plane in frame.planes.items():
        np.testing.assert_array_equal(plane, before[name])


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (1, 40), (17, 33)])
def test_frames_of_any_size_keep_it(
    denoiser: Denoiser, noisy_frame: MakeFrame, size: tuple[int, int]
) -> None:
    result = denoiser(noisy_frame(1, size=size))
    assert result.size == size
    assert np.isfinite(result.color).all()


@pytest.mark.parametrize("kept", [(), ("albedo",), ("albedo", "normal"), ("depth",)])
def test_any_subset_of_guides_will_do(
    denoiser: Denoiser, noisy_frame: MakeFrame, kept: tuple[str, ...]
) -> None:
    frame = noisy_frame(1)
    result = denoiser(Frame({name: frame.planes[name] for name in ("color", *kept)}))
    assert np.isfinite(result.color).all()


def test_black_frame_gives_a_finite_one(denoiser: Denoiser, noisy_frame: MakeFrame) -> None:
    frame = noisy_frame(1)
    assert np.isfinite(denoiser(with_color(frame, frame.color * 0)).color).all()


def test_kpn_keeps_black_black(noisy_frame: MakeFrame) -> None:
    frame = noisy_frame(1)
    black = with_color(frame, frame.color * 0)
    assert not engine.denoise(small.network("kpn"), black, device=torch.device("cpu"))[0].any()


# ---- strength ----


@pytest.mark.parametrize("value", [1.0, np.nan, np.inf, -1.0])
def test_strength_zero_gives_color_back_bit_for_bit(
    denoiser: Denoiser, noisy_frame: MakeFrame, value: float
) -> None:
    color = noisy_frame(1).color.copy()
    color[3, 4] = value
    assert denoiser(Frame({"color": color}), strength=0.0).color.tobytes() == color.tobytes()


def test_strength_blends_from_noisy_to_denoised(denoiser: Denoiser, noisy_frame: MakeFrame) -> None:
    frame = noisy_frame(1)
    clean, blended = denoiser(frame).color, denoiser(frame, strength=0.25).color
    np.testing.assert_allclose(blended, 0.75 * frame.color + 0.25 * clean, rtol=1e-5, atol=1e-6)


# ---- NaN, range ----


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_broken_pixels_are_replaced_and_counted(
    denoiser: Denoiser, noisy_frame: MakeFrame, strength: float
) -> None:
    color = noisy_frame(1).color.copy()
    color[3, 4], color[0, 0, 1], color[10:12, 20] = np.nan, np.inf, -np.inf

    result = denoiser(Frame({"color": color}), strength=strength)

    assert result.attributes["mcdenoise.replaced"] == 4
    stand_in = denoiser(Frame({"color": encoding.finite(color)[0]}), strength=strength)
    np.testing.assert_array_equal(result.color, stand_in.color)
    assert np.isfinite(result.color).all()


def test_broken_guides_do_not_break_color(denoiser: Denoiser, noisy_frame: MakeFrame) -> None:
    planes = {name: plane.copy() for name, plane in noisy_frame(1).planes.items()}
    for name in ("albedo", "normal", "depth"):
        planes[name][2:5, 7], planes[name][9, 9] = np.nan, np.inf
    assert np.isfinite(denoiser(Frame(planes)).color).all()


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_frame_k_times_as_bright_is_denoised_to_k_times_as_bright(
    denoiser: Denoiser, noisy_frame: MakeFrame, factor: float
) -> None:
    frame = noisy_frame(1)
    brighter = denoiser(with_color(frame, frame.color * factor)).color
    clean = denoiser(frame).color
    np.testing.assert_allclose(brighter / factor, clean, rtol=1e-3, atol=1e-3 * np.abs(clean).max())


def test_result_is_nowhere_below_black_unless_its_input_was(
    denoiser: Denoiser, noisy_frame: MakeFrame
) -> None:
    frame = noisy_frame(1)
    assert denoiser(frame).color.min() >= 0
    dipped = frame.color.copy()
    dipped[5, 5] = -0.25  # as filters with negative lobes write it
    assert denoiser(with_color(frame, dipped)).color.min() >= -0.25 * (1 + 1e-5)


# ---- tiles, device, model ----


def test_tiles_are_counted(model: Path, noisy_frame: MakeFrame) -> None:
    told: list[tuple[int, int]] = []
    Denoiser(model, device="cpu", tile=16)(
        noisy_frame(1), on_tile=lambda done, total: told.append((done, total))
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]  # 24 x 32 pixels


def test_looks_from_other_sides_change_the_picture(model: Path, noisy_frame: MakeFrame) -> None:
    one, four = (Denoiser(model, device="cpu", looks=looks)(noisy_frame(1)) for looks in (1, 4))
    assert not np.array_equal(one.color, four.color)
    assert one.attributes == four.attributes


def test_one_denoiser_serves_frames_of_different_sizes_alike(
    denoiser: Denoiser, noisy_frame: MakeFrame
) -> None:
    first = denoiser(noisy_frame(1)).color
    denoiser(noisy_frame(2, size=(17, 40)))
    np.testing.assert_array_equal(denoiser(noisy_frame(1)).color, first)


@pytest.mark.parametrize("name", ["cuda", "mps", "tpu"])
def test_device_that_is_not_there_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=f"^--device {name}: torch .* finds none here; use --device auto"):
        Denoiser(model, device=name)


def test_auto_takes_the_processor_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert engine.choose_device("auto") == torch.device("cpu")


def test_model_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match=r"^gone: no such model; "):
        Denoiser("gone", device="cpu")


def test_package_offers_the_denoiser() -> None:
    assert mcdenoise.Denoiser is Denoiser


@pytest.mark.parametrize(
    ("size", "right", "bottom", "how"),
    [((20, 30), 2, 12, "reflect"), ((5, 30), 2, 11, "replicate"), ((16, 16), 0, 0, "reflect")],
)
def test_what_is_beyond_a_tile_is_its_mirror_image_or_its_edge(
    size: tuple[int, int], right: int, bottom: int, how: str
) -> None:
    part = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    sides = (0, right, 0, bottom)
    assert torch.equal(engine._padded(part, sides), F.pad(part, sides, mode=how))
