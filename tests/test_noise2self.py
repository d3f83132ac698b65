"""What one noisy buffer says of itself and of a denoiser."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small
import torch
from scipy import ndimage

from mcdenoise import Denoiser, dataset, exr, metrics, noise2self, trainer, views
from mcdenoise.__main__ import main
from mcdenoise.frame import Frame
from mcdenoise.metrics import EPSILON

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


# ---- what is told of a denoiser ----


def blurred(deviation: float) -> noise2self.Denoise:
    def denoise(noisy: Frame) -> Frame:
        smooth = ndimage.gaussian_filter(noisy.color, (deviation, deviation, 0))
        return Frame({**noisy.planes, "color": smooth})

    return denoise


def clean(noisy: Frame) -> np.ndarray:
    """What `frame` made noisy."""
    return np.broadcast_to((0.2 + np.linspace(0, 1, SIZE[1]))[None, :, None], noisy.color.shape)


def test_loss_is_the_error_and_the_noise() -> None:
    """Of two denoisers the losses differ as their errors do, though no clean picture is known."""
    noisy = frame(3)
    weight = 1 / (clean(noisy) ** 2 + EPSILON)
    losses = [noise2self.loss(blurred(deviation), noisy) for deviation in (0.7, 2.0)]
    errors = [((blurred(d)(noisy).color - clean(noisy)) ** 2 * weight).mean() for d in (0.7, 2.0)]
    assert losses[0] - losses[1] > 0.5 * (errors[0] - errors[1]) > 0
    noise = ((noisy.color - clean(noisy)) ** 2 * weight).mean()
    assert losses[1] == pytest.approx(errors[1] + noise, rel=0.2)


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_strength_is_that_of_the_least_error(kept: float) -> None:
    """Of a denoiser that keeps half of the noise all is best, and it would be twice of it; of one that takes
    all and darkens, less is."""

    def denoise(noisy: Frame) -> Frame:
        smooth = ndimage.gaussian_filter(noisy.color, (3, 3, 0))
        made = kept * noisy.color + (1 - kept) * (smooth if kept else 0.5 * smooth)
        return Frame({**noisy.planes, "color": made})

    noisy = frame(4)
    made = denoise(noisy).color
    away, off = made - noisy.color, clean(noisy) - noisy.color
    weight = 1 / (made**2 + EPSILON)
    best = float((weight * away * off).sum() / (weight * away**2).sum())
    assert noise2self.strength(denoise, noisy, made) == pytest.approx(min(best, 1), abs=0.1)
    assert (best < 0.8) == (kept == 0)


def test_all_is_taken_where_nothing_can_be_told() -> None:
    planes = {"color": np.full((*SIZE, 3), 0.5, np.float32)}
    assert noise2self.strength(blurred(1), Frame(planes), planes["color"]) == 1


# ---- the command ----


def test_strength_is_chosen_from_the_frame_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exr.write_frame(tmp_path / "shot.exr", frame(1))
    words = [str(tmp_path / "shot.exr"), "--strength", "auto", "--device", "cpu"]
    assert main(words) == 0
    made = exr.read_frame(tmp_path / "shot_denoised.exr")
    chosen = made.attributes["mcdenoise.strength.chosen"]
    assert made.attributes["mcdenoise.strength"] == "auto"
    assert 0 < float(chosen) <= 1
    assert f"strength {float(chosen):.2f}" in capsys.readouterr().out
    assert main([*words, "--skip-existing"]) == 0
    assert "is there already" in capsys.readouterr().out


def test_frame_whose_neighbours_share_noise_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "splat.exr"
    exr.write_frame(path, frame(1, spread=0.6))
    assert main([str(path), "--strength", "auto"]) == 1
    assert f"{path}: --strength auto: neighbouring pixels share noise" in capsys.readouterr().err
    assert not path.with_name("splat_denoised.exr").exists()


# ---- training on single frames ----


def test_no_visible_pixel_is_learned_from(noisy_frame: small.MakeFrame) -> None:
    """The gradient is that of hidden pixels: it doesn't change with what a target holds elsewhere."""
    view = small.pair([noisy_frame(1, size=(40, 48))] * 2)
    single = views.apart(view)[0]
    batch = next(dataset.batches([single], dataset.Cut(32, 1, 1, is_single=True)))
    assert int(batch.judged.sum()) == 32 * 32 // noise2self.PHASES
    seen = ~batch.judged.expand_as(batch.color)
    torch.testing.assert_close(batch.color[seen], batch.target[seen])
    assert not torch.equal(batch.color, batch.target)
    other = replace(batch, target=torch.where(seen, 3.0, batch.target))
    assert torch.equal(gradient(batch), gradient(other))


def gradient(batch: dataset.Batch) -> torch.Tensor:
    """Of the loss by itself."""
    network = small.network("hybrid").train()
    output = trainer.judged_only(network.in_full(batch.color, batch.guides), batch)
    ((output.estimate - batch.target) ** 2).mean().backward()
    return torch.cat([part.grad.flatten() for part in network.parameters() if part.grad is not None])


def test_single_frames_teach(
    tmp_path: Path, noisy_frame: small.MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each render by itself. The untrained network takes less than half of the noisy frame's error away."""
    small.shrink_fresh_networks(monkeypatch)
    for number in range(6):
        exr.write_frame(tmp_path / f"shot.{number:04d}.exr", noisy_frame(number, size=(40, 48)))
    out = tmp_path / "show.safetensors"
    words = ["--target", "self", "--network", "kpn", "--steps", "120", "--batch", "2", "--crop", "32"]
    rest = ["--learning-rate", "5e-3", "--ema", "0.9", "--device", "cpu", "--quiet", "-o", str(out)]
    assert main(["train", str(tmp_path), *words, *rest]) == 0
    noisy, wanted = noisy_frame(9, size=(40, 48)), noisy_frame(9, size=(40, 48), sigma=0)
    made = Denoiser(out, device="cpu")(noisy)
    errors = [metrics.relmse(picture.color, wanted.color) for picture in (made, noisy)]
    assert errors[0] < 0.3 * errors[1]


def test_frames_whose_neighbours_share_noise_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exr.write_frame(tmp_path / "splat.exr", frame(1, spread=0.6))
    assert main(["train", str(tmp_path), "--target", "self", "-o", str(tmp_path / "no.safetensors")]) == 1
    assert "splat.exr: neighbouring pixels share noise" in capsys.readouterr().err


def test_model_is_tuned_on_single_frames(tmp_path: Path, noisy_frame: small.MakeFrame) -> None:
    for number in range(4):
        exr.write_frame(tmp_path / f"shot.{number:04d}.exr", noisy_frame(number, size=(64, 64)))
    out = tmp_path / "show.safetensors"
    words = [
        "--init",
        "standard",
        "--steps",
        "2",
        "--batch",
        "1",
        "--crop",
        "32",
        "--device",
        "cpu",
        "--quiet",
    ]
    assert main(["train", str(tmp_path), "--target", "self", *words, "-o", str(out)]) == 0
    assert "held-out frames" in (tmp_path / "show.run" / "report.html").read_text(encoding="utf-8")
