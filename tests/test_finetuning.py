"""Fine-tuning on a show: its own usual settings, the best step kept, and not forgetting."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small
import torch

from benchmarks import guard
from mcdenoise import checkpoint, dataset, finetuning, metrics, networks, trainer
from mcdenoise.__main__ import main
from mcdenoise.finetuning import Crop
from mcdenoise.networks._contract import Denoising
from mcdenoise.views import View

MakeFrame = small.MakeFrame
CPU = torch.device("cpu")


def distance(one: Denoising, other: Denoising) -> float:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return sum(float((a - b).abs().sum()) for a, b in pairs)


@pytest.fixture
def known(noisy_frame: MakeFrame) -> list[Crop]:
    return [Crop(noisy_frame(1), (noisy_frame(2, sigma=0.05).color, noisy_frame(3, sigma=0.05).color))]


@pytest.mark.parametrize(("worse", "share"), [(0.04, 1.0), (0.06, 0.75), (0.15, 0.25), (4.0, 0.0)])
def test_as_much_is_kept_as_forgets_no_more_than_allowed(
    monkeypatch: pytest.MonkeyPatch, known: list[Crop], worse: float, share: float
) -> None:
    """On the crops the error rises in proportion to the distance from the model before."""
    before, tuned = small.network("kpn"), small.network("kpn", seed=1)
    whole = distance(before, tuned)

    def error(network: Denoising, *_: object) -> float:
        return 0.1 * (1 + worse * distance(before, network) / whole)

    monkeypatch.setattr(finetuning, "relmse", error)
    network, settled = finetuning.settle(before, tuned, known, CPU)
    assert settled.share == share
    assert settled.forgetting <= 1.05
    assert distance(before, network) == pytest.approx(share * whole, rel=1e-4)


def test_error_on_crops_is_that_of_the_network(known: list[Crop]) -> None:
    good, bad = small.network("kpn"), small.network("kpn")
    with torch.no_grad():
        for value in bad.parameters():
            value.add_(torch.randn_like(value))
    assert finetuning.relmse(bad, known, CPU) != finetuning.relmse(good, known, CPU)


@pytest.fixture
def falling_then_rising(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """Validations that are best the second time; the weights at each."""
    seen: list[dict[str, torch.Tensor]] = []
    scores = iter([0.5, 0.4, 0.6, 0.45, 0.7, 0.8, 0.9, 1.0])

    def validate(network: Denoising, *_: object) -> dict[str, float]:
        seen.append({name: value.clone() for name, value in network.state_dict().items()})
        return {"relmse": next(scores), "psnr": 30.0}

    monkeypatch.setattr(trainer, "validate", validate)
    return seen


def test_training_stops_early_with_the_weights_of_the_best_validation(
    tmp_path: Path, noisy_frame: MakeFrame, falling_then_rising: list[dict[str, torch.Tensor]]
) -> None:
    out, steps = tmp_path / "show.safetensors", []
    trainer.train(small.settings(patience=3, validate_every=1), small.pairs(noisy_frame), out,
                  report=lambda now: steps.append(now.step))  # fmt: skip
    assert steps == [1, 2, 3, 4, 5]
    found = checkpoint.load_model(out).network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in falling_then_rising[1].items())


def test_without_patience_every_step_is_done(
    tmp_path: Path, noisy_frame: MakeFrame, falling_then_rising: list[dict[str, torch.Tensor]]
) -> None:
    out, steps = tmp_path / "show.safetensors", []
    trainer.train(small.settings(validate_every=1), small.pairs(noisy_frame), out,
                  report=lambda now: steps.append(now.step))  # fmt: skip
    assert steps == list(range(1, 9))


def test_frames_of_one_shot_are_held_out_by_frame(noisy_frame: MakeFrame) -> None:
    halves = [noisy_frame(1), noisy_frame(2)]
    shot = [View("shot", f"shot.{n}", small.pair(halves).renders) for n in range(10)]
    trained, held_out = dataset.split(shot, 0.2, by_view=True)
    assert len(held_out) == 2
    assert {view.name for view in trained}.isdisjoint(view.name for view in held_out)
    assert {view.scene for view in (*trained, *held_out)} == {"shot"}


# ---- the command ----


@pytest.fixture
def tuned(
    tmp_path: Path, noisy_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch, known: list[Crop]
) -> Callable[..., int]:
    """Fine-tunes a small model; the crops are a small frame."""
    monkeypatch.setattr(finetuning, "crops", lambda: known)
    checkpoint.save_model(tmp_path / "first.safetensors", small.network("kpn"), {})

    def run(*folders: Path, out: str = "show.safetensors") -> int:
        words = ["--init", str(tmp_path / "first.safetensors"), "--steps", "2", "--batch", "1",
                 "--crop", "32", "--device", "cpu", "--quiet", "-o", str(tmp_path / out)]  # fmt: skip
        return main(["train", *map(str, folders), *words])

    small.shrink_fresh_networks(monkeypatch)
    return run


def test_smaller_network_begins_with_a_larger_one_and_is_itself_tuned(
    tmp_path: Path, noisy_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch, known: list[Crop],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(finetuning, "crops", lambda: known)
    names = [tmp_path / f"{size}.safetensors" for size in ("large", "small", "tuned")]
    checkpoint.save_model(names[0], networks.build("kpn", {"widths": [8, 8, 8, 8]}), {})
    folder = small.save_pairs(tmp_path / "pairs", noisy_frame)
    for before, out, *flags in ((names[0], names[1], "--widths", "4,4,4,4"), (names[1], names[2])):
        words = ["--init", str(before), "--steps", "1", "--batch", "1", "--crop", "32", "--device", "cpu"]
        assert main(["train", str(folder), "-o", str(out), "--quiet", *words, *flags]) == 0
        assert checkpoint.load_model(out).network.recipe == {"widths": [4, 4, 4, 4]}
    larger, kept = (line for line in capsys.readouterr().out.splitlines() if "trained on" not in line)
    assert larger.startswith(f"{names[0]} was larger")
    assert "kept" in kept


def test_fine_tuning_takes_the_models_network_and_leaves_a_report(
    tmp_path: Path, noisy_frame: MakeFrame, tuned: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tuned(small.save_pairs(tmp_path / "pairs", noisy_frame)) == 0
    card = checkpoint.load_model(tmp_path / "show.safetensors").card
    assert card["settings"]["network"] == "kpn"
    assert card["settings"]["learning_rate"] == 1e-4
    assert card["settings"]["patience"] == 5
    assert card["settled"]["forgetting"] <= 1.05
    told = capsys.readouterr().out
    assert "is kept" in told
    page = tmp_path / "show.run" / "report.html"
    text = page.read_text(encoding="utf-8")
    assert str(page) in told
    assert "held-out frames" in text
    assert 'src="report-0.png"' in text
    assert page.with_name("report-0.png").stat().st_size > 1000


def test_two_folders_with_a_render_of_each_frame_are_pairs(
    tmp_path: Path, noisy_frame: MakeFrame, tuned: Callable[..., int]
) -> None:
    folder = small.save_pairs(tmp_path / "pairs", noisy_frame)
    for letter in "ab":
        (tmp_path / letter).mkdir()
        for path in folder.glob(f"*.{letter}.exr"):
            path.rename(tmp_path / letter / path.name.replace(f".{letter}.", "."))
    assert tuned(tmp_path / "a", tmp_path / "b") == 0
    assert checkpoint.load_model(tmp_path / "show.safetensors").card["pairs"] == 2


def test_three_folders_are_refused(
    tmp_path: Path, tuned: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tuned(tmp_path / "a", tmp_path / "b", tmp_path / "c") == 2
    assert "two folders with a render of each frame" in capsys.readouterr().err


# ---- the crops that are shipped ----


def test_crops_come_back_from_their_file(tmp_path: Path, noisy_frame: MakeFrame) -> None:
    frames = [noisy_frame(seed) for seed in range(4)]
    view = View("place", "place.v000", tuple(dict(frame.planes) for frame in frames), (4, 4, 64, 64))
    guard.write(tmp_path / "guard.npz", [view, view])
    first, _ = finetuning.crops(tmp_path / "guard.npz")
    np.testing.assert_allclose(first.noisy.color, frames[0].color, rtol=1e-3)
    np.testing.assert_allclose(first.reference[1], frames[3].color, rtol=1e-3)
    assert first.noisy.planes.keys() == frames[0].planes.keys()


@pytest.mark.slow
def test_shipped_crops_are_small_and_the_shipped_model_is_good_on_them() -> None:
    assert finetuning.CROPS.stat().st_size < 3 * 2**20
    known = finetuning.crops()
    noisy = [metrics.relmse(c.noisy.color, c.reference[0], second_half=c.reference[1]) for c in known]
    network = checkpoint.load_model("standard").network
    assert finetuning.relmse(network, known, CPU) < 0.3 * metrics.geometric_mean(noisy)
