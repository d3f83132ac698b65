"""The training loop: resumes to the bit, refuses what can't work before any work, and logs each step once."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
import torch

from mcdenoise import checkpoint, journal, networks, trainer
from mcdenoise.engine import Denoiser
from mcdenoise.errors import McdenoiseError, ModelError, TrainingError, UsageError
from mcdenoise.frame import Frame
from mcdenoise.journal import Report
from mcdenoise.views import View

MakeFrame = small.MakeFrame


@pytest.fixture(autouse=True)
def _small_networks_and_no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """No TensorBoard, whose import takes longer than a training."""
    small.shrink_fresh_networks(monkeypatch)
    monkeypatch.setattr(journal, "_tensorboard", lambda *_: None)


@pytest.fixture
def pairs(noisy_frame: MakeFrame) -> list[View]:
    return small.pairs(noisy_frame)


def ignore(_: Report) -> None:
    pass


def killed_at(step: int) -> Callable[[Report], None]:
    """A report that ends the training as Ctrl-C does."""

    def report(now: Report) -> None:
        if now.step == step:
            raise KeyboardInterrupt

    return report


def train_killed(pairs: list[View], out: Path, *, at: int, **changes: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        trainer.train(small.settings(**changes), pairs, out, report=killed_at(at))


def same_tensors(one: Path, other: Path) -> bool:
    (first, _), (second, _) = checkpoint.read(one), checkpoint.read(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def log_rows(out: Path) -> list[dict[str, str]]:
    with (trainer.run_folder(out) / "log.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# ---- chance and resuming ----


def test_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path, pairs: list[View]) -> None:
    outs = [tmp_path / f"{name}.safetensors" for name in ("one", "same", "other")]
    for out, seed in zip(outs, (1, 1, 2), strict=True):
        trainer.train(small.settings(steps=3, seed=seed), pairs, out, report=ignore)
    assert same_tensors(outs[0], outs[1])
    assert not same_tensors(outs[0], outs[2])


@pytest.mark.parametrize("name", ["hybrid", "kpn", "unet"])
@pytest.mark.parametrize("killed", [4, 6])
def test_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, pairs: list[View], name: str, killed: int
) -> None:
    """Killed at step 4 before that step is saved, so it starts again; at step 6, it goes on from 4."""
    whole, resumed = tmp_path / "whole.safetensors", tmp_path / "resumed.safetensors"
    trainer.train(small.settings(network=name), pairs, whole, report=ignore)
    train_killed(pairs, resumed, at=killed, network=name)
    assert not resumed.exists()
    assert trainer.first_step(resumed) == (4 if killed > 4 else 0)
    steps: list[int] = []

    trainer.train(small.settings(network=name), pairs, resumed, report=lambda now: steps.append(now.step))

    assert steps == list(range(5 if killed > 4 else 1, 9))
    assert same_tensors(whole, resumed)
    assert same_tensors(trainer.state_path(whole), trainer.state_path(resumed))


def test_finished_run_started_again_does_no_step_and_keeps_its_weights(
    tmp_path: Path, pairs: list[View]
) -> None:
    out, copy = tmp_path / "model.safetensors", tmp_path / "copy.safetensors"
    trainer.train(small.settings(), pairs, out, report=ignore)
    copy.write_bytes(out.read_bytes())

    trainer.train(small.settings(), pairs, out, report=lambda _: pytest.fail("a step was made"))

    assert same_tensors(out, copy)


@pytest.mark.parametrize(
    ("change", "was"),
    [({"network": "unet"}, "network = kpn"), ({"seed": 2}, "seed = 1"), ({"batch": 2}, "batch = 1"),
     ({"crop": 64}, "crop = 32")],
    ids=["network", "seed", "batch", "crop"],
)  # fmt: skip
def test_run_is_not_resumed_with_other_settings(
    tmp_path: Path, noisy_frame: MakeFrame, change: dict[str, Any], was: str
) -> None:
    pairs = small.pairs(noisy_frame, size=(64, 64))
    out = tmp_path / "model.safetensors"
    train_killed(pairs, out, at=5)
    before = trainer.state_path(out).read_bytes()

    with pytest.raises(
        TrainingError, match=f"state.safetensors: was trained with {was}; give that, or another -o"
    ):
        trainer.train(small.settings(**change), pairs, out, report=lambda _: pytest.fail("a step was made"))

    assert trainer.state_path(out).read_bytes() == before
    assert not out.exists()


def test_training_starts_from_a_model_and_its_card_says_so(tmp_path: Path, pairs: list[View]) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    trainer.train(small.settings(steps=3), pairs, first, report=ignore)
    begun = small.settings(steps=1, init=str(first), learning_rate=1e-9, seed=2)
    trainer.train(begun, pairs, second, report=ignore)
    (one, _), (other, about) = checkpoint.read(first), checkpoint.read(second)
    for name, weights in one.items():
        torch.testing.assert_close(other[name], weights, atol=1e-6, rtol=0)
    assert about["card"]["began_with"]["settings"]["steps"] == 3


def test_model_of_another_network_is_refused_to_start_from(tmp_path: Path, pairs: list[View]) -> None:
    model = tmp_path / "unet.safetensors"
    checkpoint.save_model(model, small.network("unet"), {})
    with pytest.raises(
        TrainingError, match="can't become a kpn of these sizes; give --network unet, or another model"
    ):
        trainer.train(small.settings(init=str(model)), pairs, tmp_path / "out.safetensors", report=ignore)


def test_smaller_network_begins_with_channels_of_a_larger_one(tmp_path: Path, pairs: list[View]) -> None:
    model, out = tmp_path / "large.safetensors", tmp_path / "small.safetensors"
    checkpoint.save_model(model, networks.build("kpn", {"widths": [8, 8, 12, 12]}), {})
    smaller = small.settings(init=str(model), widths="4,4,6,8", steps=1)
    trainer.train(smaller, pairs, out, report=ignore)
    assert checkpoint.load_model(out).network.recipe == {"widths": [4, 4, 6, 8]}

    larger = replace(smaller, widths="8,8,12,16")
    with pytest.raises(TrainingError, match="give --network kpn --widths 8,8,12,12, or fewer channels"):
        trainer.train(larger, pairs, tmp_path / "larger.safetensors", report=ignore)
    with pytest.raises(TrainingError, match=r"was trained with widths = 4,4,6,8; give that"):
        trainer.train(replace(smaller, widths="4,4,4,4"), pairs, out, report=ignore)


@pytest.mark.parametrize(
    ("network", "widths"), [("unet", "4,4,4,4"), ("kpn", "4,4"), ("hybrid", "4,4,4,4,4")]
)
def test_sizes_that_a_network_cannot_have_are_wrong_use(
    network: str, widths: str, tmp_path: Path, pairs: list[View]
) -> None:
    wrong = small.settings(network=network, widths=widths)
    with pytest.raises(UsageError, match=f"--widths {widths}: no sizes of a {network}"):
        trainer.train(wrong, pairs, tmp_path / "out.safetensors", report=ignore)


@pytest.mark.parametrize("kind", ["garbage", "model"])
def test_damaged_state_is_an_error_and_not_a_fresh_start(
    tmp_path: Path, pairs: list[View], kind: str
) -> None:
    out = tmp_path / "model.safetensors"
    path = trainer.state_path(out)
    path.parent.mkdir()
    if kind == "garbage":
        path.write_bytes(b"half a file")
    else:
        checkpoint.save_model(path, small.network("kpn"), {})
    with pytest.raises(ModelError, match=r"state\.safetensors: "):
        trainer.first_step(out)
    with pytest.raises(ModelError, match=r"state\.safetensors: "):
        trainer.train(small.settings(), pairs, out, report=ignore)


# ---- what is written ----


def test_model_file_says_how_it_was_trained_and_denoises(
    tmp_path: Path, pairs: list[View], noisy_frame: MakeFrame
) -> None:
    out = tmp_path / "show.safetensors"
    trainer.train(small.settings(held_out=0.3), pairs, out, report=ignore)

    denoiser = Denoiser(out, device="cpu")

    card = denoiser.card
    assert card["settings"]["steps"] == 8
    assert card["settings"]["held_out"] == 0.3
    assert sorted([*card["scenes"], *card["held_out_scenes"]]) == ["place0", "place1", "place2"]
    assert card["pairs"] == len(card["scenes"]) == 2
    assert np.isfinite(denoiser(noisy_frame(9)).color).all()


def test_model_holds_the_averaged_weights(tmp_path: Path, pairs: list[View]) -> None:
    out = tmp_path / "model.safetensors"
    trainer.train(small.settings(), pairs, out, report=ignore)

    state, model = checkpoint.read(trainer.state_path(out))[0], checkpoint.read(out)[0]

    assert all(torch.equal(value, state[f"averaged.{key}"]) for key, value in model.items())
    assert not any(torch.equal(value, state[f"network.{key}"]) for key, value in model.items())


@pytest.mark.parametrize("killed", [None, 2, 4, 6])
def test_log_has_one_row_a_step_even_of_a_run_that_was_killed(
    tmp_path: Path, pairs: list[View], killed: int | None
) -> None:
    out = tmp_path / "model.safetensors"
    if killed:
        train_killed(pairs, out, at=killed)
    trainer.train(small.settings(), pairs, out, report=ignore)

    rows = log_rows(out)

    assert [row["step"] for row in rows] == [str(step) for step in range(1, 9)]
    assert all(float(row["loss"]) > 0 and float(row["pairs_per_second"]) > 0 for row in rows)


def test_log_has_the_learning_rate_that_each_step_was_made_with(tmp_path: Path, pairs: list[View]) -> None:
    out, settings = tmp_path / "model.safetensors", small.settings()
    trainer.train(settings, pairs, out, report=ignore)
    rates = [float(row["learning_rate"]) for row in log_rows(out)]
    assert rates == pytest.approx([trainer.learning_rate(step, settings) for step in range(8)], rel=1e-4)


def test_validation_comes_when_it_is_due_and_at_the_end(tmp_path: Path, pairs: list[View]) -> None:
    told: list[Report] = []
    settings = small.settings(validate_every=3, held_out=0.3)
    trainer.train(settings, pairs, tmp_path / "model.safetensors", report=told.append)
    assert [now.step for now in told if now.relmse is not None and now.psnr is not None] == [3, 6, 8]


def test_no_scene_held_out_is_no_validation(tmp_path: Path, pairs: list[View]) -> None:
    told: list[Report] = []
    settings = small.settings(steps=2, held_out=0.0)
    trainer.train(settings, pairs, tmp_path / "model.safetensors", report=told.append)
    assert [(now.relmse, now.psnr) for now in told] == [(None, None)] * 2


def test_black_pair_held_out_does_not_end_the_training(tmp_path: Path, pairs: list[View]) -> None:
    """A camera inside a wall renders such pairs; kpn keeps them black, so the error is exactly 0."""
    black = Frame({"color": np.zeros((40, 48, 3), np.float32)})
    both = [*(small.pair([black, black], scene=f"dark{i}") for i in range(2)), *pairs[:1]]
    settings, out = small.settings(steps=2, held_out=0.9), tmp_path / "model.safetensors"
    trainer.train(settings, both, out, report=ignore)
    assert out.exists()


def test_tensorboard_gets_events(tmp_path: Path, pairs: list[View], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.undo()
    with journal.Journal(tmp_path / "run", 0) as kept:
        kept.write(Report(1, 0.5, 10.0), 1e-3)
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))


# ---- refused ----


def nothing_there(folder: Path) -> bool:
    return list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loss": "l1"}, "'l1' darkens or brightens a model trained on noisy targets; use: "),
        ({"loss": "l3"}, "no 'l3'; there is: "),
        ({"network": "gan"}, "no 'gan'; there is: "),
        ({"device": "mps"}, "--device mps: torch .* finds none here"),
    ],
    ids=["unsafe loss", "no such loss", "no such network", "no such device"],
)
def test_impossible_settings_are_refused_before_any_work(
    tmp_path: Path, pairs: list[View], monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=said):
        trainer.train(small.settings(**change), pairs, tmp_path / "model.safetensors", report=ignore)
    assert nothing_there(tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"steps": 0}, {"batch": 0}, {"crop": 0}, {"crop": 33}, {"learning_rate": 0.0}, {"learning_rate": 2.0},
     {"clip": 0.0}, {"ema": 1.0}, {"held_out": 1.0}, {"held_out": -0.1}, {"save_every": 0},
     {"workers": -1}, {"means_weight": -1.0}, {"firefly_limit": 0.5}],
    ids=str,
)  # fmt: skip
def test_settings_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^train: --"):
        small.settings(**change)


def test_pair_smaller_than_a_crop_is_refused_before_any_step(tmp_path: Path, pairs: list[View]) -> None:
    out = tmp_path / "model.safetensors"
    with pytest.raises(TrainingError, match="is smaller than a crop; use --crop"):
        trainer.train(small.settings(crop=64), pairs, out, report=ignore)
    assert not out.exists()


def test_loss_that_is_no_number_ends_the_training_and_writes_no_model(
    tmp_path: Path, pairs: list[View]
) -> None:
    broken = Frame({"color": np.full((40, 48, 3), np.nan, np.float32)})
    out = tmp_path / "model.safetensors"
    with pytest.raises(
        TrainingError, match=r"^step 0: the loss is nan; lower --learning-rate and start again"
    ):
        trainer.train(small.settings(), [small.pair([broken, broken])], out, report=ignore)
    assert not out.exists()
    assert not trainer.state_path(out).exists()


@pytest.mark.parametrize("name", ["model.run", "nowhere"])
def test_folder_that_cannot_be_written_is_one_line(tmp_path: Path, pairs: list[View], name: str) -> None:
    (tmp_path / "model.run").touch()  # a file where the run's folder should be
    (tmp_path / "nowhere").touch()
    out = tmp_path / "model.safetensors" if name == "model.run" else tmp_path / "nowhere" / "m.safetensors"
    with pytest.raises(McdenoiseError) as caught:
        trainer.train(small.settings(), pairs, out, report=ignore)
    assert "choose another -o" in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- learning ----


@pytest.mark.parametrize("steps", [2, 40, 1000])
def test_learning_rate_warms_up_over_a_twentieth_and_falls_to_a_thousandth(steps: int) -> None:
    settings = small.settings(steps=steps, learning_rate=0.01)
    rates = [trainer.learning_rate(step, settings) for step in range(steps)]
    warm = max(steps // 20, 1)
    assert rates[warm - 1] == max(rates) == pytest.approx(0.01)
    assert rates[:warm] == pytest.approx([0.01 * (step + 1) / warm for step in range(warm)])
    assert rates[warm - 1 :] == sorted(rates[warm - 1 :], reverse=True)
    assert trainer.learning_rate(steps, settings) == pytest.approx(0.01 / 1000)


def test_averaged_weights_lie_between_where_they_were_and_where_the_network_is(
    tmp_path: Path, pairs: list[View]
) -> None:
    out = tmp_path / "model.safetensors"
    trainer.train(small.settings(steps=1, ema=0.5), pairs, out, report=ignore)
    state = checkpoint.read(trainer.state_path(out))[0]
    torch.manual_seed(1)
    fresh = networks.build("kpn", {}).state_dict()
    keep = 2 / 11  # in the first step, (1 + 1) / (10 + 1) is less than 0.5
    for key, start in fresh.items():
        expected = keep * start + (1 - keep) * state[f"network.{key}"]
        torch.testing.assert_close(state[f"averaged.{key}"], expected, rtol=1e-4, atol=1e-6)


def test_network_learns(tmp_path: Path, noisy_frame: MakeFrame) -> None:
    told: list[float] = []
    pairs = [small.pair([noisy_frame(seed, size=(40, 48), sigma=0.05) for seed in (1, 2)])]
    settings = small.settings(network="unet", steps=80, learning_rate=0.003)
    trainer.train(settings, pairs, tmp_path / "model.safetensors", report=lambda now: told.append(now.loss))
    # Of the logarithms, since one crop's loss is a thousand times another's.
    assert np.log(told[-20:]).mean() < np.log(told[:20]).mean() - 1


def test_training_that_blew_up_is_stopped_and_one_with_fireflies_is_not() -> None:
    chance = np.random.default_rng(1)
    losses = chance.lognormal(0, 1, 2000) + 1000 * (np.arange(2000) % 10 == 0)
    watch = trainer.Watch()
    for step, loss in enumerate(losses):
        watch.look(step, float(loss))
    for step in range(2000, 2199):
        watch.look(step, 20.0)
    with pytest.raises(TrainingError, match=r"step 2199: the loss rose from .* to 20 and stays there; lower"):
        watch.look(2199, 20.0)
