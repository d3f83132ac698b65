"""`--adapt`: learns from the frame's own halves, is examined where it did not learn, makes no frame worse."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small
import torch

from mcdenoise import adapt, checkpoint, dataset, encoding, exr, metrics
from mcdenoise.__main__ import main
from mcdenoise.adapt import Adapter, Exam, Mark
from mcdenoise.engine import Denoiser
from mcdenoise.errors import FrameError
from mcdenoise.frame import Frame
from mcdenoise.networks._contract import Denoising

MakeFrame = small.MakeFrame
SIZE = (64, 96)


@pytest.fixture(autouse=True)
def _small_tiles_and_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt, "TILE", 32)
    first = replace(adapt.FIRST, steps=6, batch=2, crop=32, learning_rate=1e-2)
    monkeypatch.setattr(adapt, "FIRST", first)
    monkeypatch.setattr(adapt, "NEXT", replace(first, steps=2))
    monkeypatch.setattr(adapt, "EXAMINED_EVERY", 3)


@pytest.fixture
def halves(noisy_frame: MakeFrame) -> tuple[Frame, Frame]:
    return noisy_frame(1, size=SIZE), noisy_frame(2, size=SIZE)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network that knows nothing yet."""
    path = tmp_path / "tiny.safetensors"
    checkpoint.save_model(path, small.network("kpn"), {})
    return path


def untaught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps so large that they make everything worse."""
    monkeypatch.setattr(adapt, "FIRST", replace(adapt.FIRST, learning_rate=0.9))


def weights(network: Denoising) -> list[torch.Tensor]:
    return [value.clone() for value in network.state_dict().values()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("size", [(64, 64), (100, 130), (192, 40000)])
def test_one_tile_of_four_or_so_is_held_out_and_none_overlaps(size: tuple[int, int]) -> None:
    learned, held_out = adapt.tiles(*size)
    seen = np.zeros(size, int)
    for tile in learned + held_out:
        assert seen[tile].shape == (32, 32)
        seen[tile] += 1
    assert seen.max() == 1
    assert 0.2 < len(held_out) / len(learned + held_out) < 0.4


def test_frame_of_one_row_of_tiles_is_refused() -> None:
    with pytest.raises(FrameError, match=r"500x63 pixels are too few.*64x64"):
        adapt.tiles(63, 500)


@pytest.mark.parametrize(("factor", "is_better"), [(0.8, True), (1.25, False)])
def test_exam_tells_better_from_worse_without_a_reference(
    halves: tuple[Frame, Frame], noisy_frame: MakeFrame, factor: float, is_better: bool
) -> None:
    clean = noisy_frame(0, size=SIZE, sigma=0.0).color
    off = np.random.default_rng(5).normal(0, 0.2, clean.shape).astype(np.float32)
    shipped, other = clean * (1 + off), clean * (1 + np.float32(factor) * off)
    exam = Exam(halves, (shipped, shipped), adapt.tiles(*SIZE)[1])
    assert exam.mark((other, other)).is_better == is_better


def test_exam_finds_the_change_of_the_true_error(noisy_frame: MakeFrame) -> None:
    """Over many noises its mean is what a reference would say."""
    clean = noisy_frame(0, size=SIZE, sigma=0.0).color
    shipped, other = clean * np.float32(1.2), clean * np.float32(1.1)
    tiles = adapt.tiles(*SIZE)[1]
    true = np.mean([(((other - clean) ** 2 - (shipped - clean) ** 2) / (shipped**2 + metrics.EPSILON))[tile]
                    for tile in tiles])  # fmt: skip
    marks: list[Mark] = []
    for seed in range(40):
        noisy = noisy_frame(2 * seed, size=SIZE), noisy_frame(2 * seed + 1, size=SIZE)
        marks.append(Exam(noisy, (shipped, shipped), tiles).mark((other, other)))
    found = np.array([mark.worse for mark in marks])
    assert abs(found.mean() - true) < 4 * found.std() / np.sqrt(len(found))
    assert found.std() < 1.5 * np.mean([mark.unsure for mark in marks])


def test_exam_does_not_pass_what_darkens_the_frame(
    halves: tuple[Frame, Frame], noisy_frame: MakeFrame
) -> None:
    clean = noisy_frame(0, size=SIZE, sigma=0.0).color
    off = np.random.default_rng(5).normal(0, 0.3, clean.shape).astype(np.float32)
    shipped = clean * (1 + off)
    exam = Exam(halves, (shipped, shipped), adapt.tiles(*SIZE)[1])
    mark = exam.mark((clean * np.float32(0.9), clean * np.float32(0.9)))
    assert mark.worse + mark.unsure < 0
    assert not mark.is_better
    assert exam.mark((clean, clean)).is_better


def test_adapted_network_is_nearer_to_the_clean_frame(
    model: Path, halves: tuple[Frame, Frame], noisy_frame: MakeFrame
) -> None:
    clean, denoiser = noisy_frame(0, size=SIZE, sigma=0.0).color, Denoiser(model, device="cpu")
    before = metrics.relmse(denoiser(halves[0]).color, clean)
    told: list[tuple[int, int]] = []
    steps = Adapter(denoiser).fit(halves, on_step=lambda *now: told.append(now))
    assert told == [(step, 6) for step in range(1, 7)]
    assert steps in (3, 6)
    assert metrics.relmse(denoiser(halves[0]).color, clean) < 0.95 * before


def test_what_does_no_better_is_not_used(
    model: Path, halves: tuple[Frame, Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    untaught(monkeypatch)
    denoiser = Denoiser(model, device="cpu")
    before = denoiser(halves[0]).color
    assert Adapter(denoiser).fit(halves) == 0
    assert np.array_equal(denoiser(halves[0]).color, before)


def test_nothing_is_learned_from_the_tiles_held_out(
    model: Path, halves: tuple[Frame, Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Exam, "mark", lambda *_: Mark(-1.0, 0.0, True))

    def learned(given: tuple[Frame, Frame]) -> list[torch.Tensor]:
        denoiser = Denoiser(model, device="cpu")
        Adapter(denoiser).fit(given)
        return weights(denoiser.network)

    known, held_out = adapt.tiles(*SIZE)
    usual = learned(halves)
    assert same(learned((halves[0], _turned(halves[1], held_out))), usual)
    assert not same(learned((halves[0], _turned(halves[1], known))), usual)


def _turned(frame: Frame, tiles: list[tuple[slice, slice]]) -> Frame:
    """Tiles whose color is upside down; the exposure stays, since it is the first half's."""
    color = frame.color.copy()
    for tile in tiles:
        color[tile] = color[tile][::-1].copy()
    return Frame({**frame.planes, "color": color})


def test_next_frame_goes_on_with_few_steps(model: Path, noisy_frame: MakeFrame) -> None:
    denoiser = Denoiser(model, device="cpu")
    adapter, counts = Adapter(denoiser), []
    for first in (1, 3):
        both = noisy_frame(first, size=SIZE), noisy_frame(first + 1, size=SIZE)
        counts.append(adapter.fit(both))
    assert counts[0] in (3, 6)
    assert counts[1] in (counts[0], counts[0] + 2)


def test_frame_that_the_last_ones_weights_do_not_suit_starts_afresh(
    model: Path, halves: tuple[Frame, Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    denoiser = Denoiser(model, device="cpu")
    adapter = Adapter(denoiser)
    assert adapter.fit(halves) > 0
    monkeypatch.setattr(Exam, "mark", lambda *_: Mark(1.0, 0.0, True))
    shipped = weights(Denoiser(model, device="cpu").network)
    told: list[int] = []
    assert adapter.fit(halves, on_step=lambda _, total: told.append(total)) == 0
    assert told == [6] * 6
    assert same(weights(denoiser.network), shipped)


def test_seconds_end_it_after_the_step_in_work(model: Path, halves: tuple[Frame, Frame]) -> None:
    told: list[int] = []
    Adapter(Denoiser(model, device="cpu"), 1e-9).fit(halves, on_step=lambda done, _: told.append(done))
    assert told == [1]


def test_pixels_that_are_no_numbers_are_not_learned_from(model: Path, halves: tuple[Frame, Frame]) -> None:
    broken = halves[0].color.copy()
    broken[40, 40] = np.nan
    broken[10, 70] = np.inf
    denoiser = Denoiser(model, device="cpu")
    Adapter(denoiser).fit((Frame({**halves[0].planes, "color": broken}), halves[1]))
    assert all(torch.isfinite(value).all() for value in weights(denoiser.network))


def test_black_frame_leaves_the_model_as_it_is(model: Path, halves: tuple[Frame, Frame]) -> None:
    black = [Frame({**half.planes, "color": np.zeros_like(half.color)}) for half in halves]
    assert Adapter(Denoiser(model, device="cpu")).fit((black[0], black[1])) == 0


def test_tile_is_learned_in_the_exposure_of_its_frame(halves: tuple[Frame, Frame]) -> None:
    exposure = encoding.exposure(halves[0].color)
    tile = adapt.views(halves, [(slice(0, 32), slice(64, 96))], exposure)
    batch = dataset.Batches(tile, adapt._cut(adapt.FIRST))[0]
    both = np.stack([half.color[:32, 64:] for half in halves])
    assert float(batch.color[0].mean()) == pytest.approx(exposure * both[0].mean(), rel=1e-4) or float(
        batch.color[0].mean()
    ) == pytest.approx(exposure * both[1].mean(), rel=1e-4)


@pytest.fixture
def pair(tmp_path: Path, halves: tuple[Frame, Frame]) -> list[str]:
    first = small.save_pair(tmp_path, "view", halves)
    return [str(first), "--half", str(first.with_name("view.b.exr")), "--device", "cpu"]


def test_command_says_whether_it_adapted_and_so_does_the_header(
    pair: list[str], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.exr"
    words = [*pair, "--model", str(model), "-o", str(out)]
    assert main([*words, "--adapt"]) == 0
    steps = exr.read(out).parts[0].head.values["mcdenoise.adapted"]
    assert steps in (3, 6)
    assert f"adapted in {steps} steps" in capsys.readouterr().out
    assert main([*words, "--adapt", "--skip-existing"]) == 0
    assert "is there already" in capsys.readouterr().out
    assert main([*words, "--skip-existing"]) == 1
    assert "was made with --adapt; --force makes it again" in capsys.readouterr().err


def test_command_says_that_it_did_not_adapt(
    pair: list[str],
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    untaught(monkeypatch)
    out = tmp_path / "out.exr"
    assert main([*pair, "--model", str(model), "-o", str(out), "--adapt", "60"]) == 0
    assert exr.read(out).parts[0].head.values["mcdenoise.adapted"] == 0
    assert "not adapted: nothing did better" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--half", "b.exr", "--adapt", "a.exr"], "'a.exr': frames go before --adapt"),
        (["a.exr", "--half", "b.exr", "--adapt", "soon"], "'soon': isn't a number of seconds"),
        (["a.exr", "--half", "b.exr", "--adapt", "0"], "0 isn't above 0"),
        (["a.exr", "--half", "b.exr", "--adapt", "nan"], "nan isn't above 0"),
        (
            ["a.exr", "--adapt"],
            "give another seed's with --half",
        ),
        (["a.exr", "--half", "b.exr", "--adapt", "--workers", "2"], "leave out --workers and --cluster"),
    ],
)
def test_misuse_is_refused_before_any_work(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(words)
    except SystemExit as exit_:
        code = int(str(exit_.code))
    assert code == 2
    assert message in capsys.readouterr().err


def test_frame_that_is_too_small_is_named(
    model: Path, tmp_path: Path, noisy_frame: MakeFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    first = small.save_pair(tmp_path, "view", [noisy_frame(1, size=(40, 48)), noisy_frame(2, size=(40, 48))])
    words = [str(first), "--half", str(first.with_name("view.b.exr")), "--model", str(model), "--adapt"]
    assert main(words) == 1
    assert f"{first}: 48x40 pixels are too few to adapt to" in capsys.readouterr().err
    assert not first.with_name("view.a_denoised.exr").exists()
