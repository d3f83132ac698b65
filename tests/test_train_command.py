"""`mcdenoise train`: exit codes, what it prints, and what it leaves behind."""

import re
from pathlib import Path

import numpy as np
import pytest
import small

from mcdenoise import checkpoint, exr
from mcdenoise.__main__ import main
from mcdenoise.frame import Frame

MakeFrame = small.MakeFrame
TINY = ("--steps", "2", "--batch", "1", "--crop", "32", "--held-out", "0.3", "--device", "cpu", "--quiet")


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    small.shrink_fresh_networks(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path, noisy_frame: MakeFrame) -> Path:
    return small.save_pairs(tmp_path / "pairs", noisy_frame)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """In a folder of its own, to see what else appears there."""
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "show.safetensors"


def train(folder: Path, out: Path, *flags: str) -> int:
    return main(["train", str(folder), "-o", str(out), *TINY, *flags])


def refused(capfd: pytest.CaptureFixture[str], said: str) -> bool:
    """One line on stderr and nothing on stdout."""
    printed = capfd.readouterr()
    assert printed.err.startswith(f"mcdenoise: {said}")
    return printed.out == "" and printed.err.count("\n") == 1


def test_pairs_become_a_model_that_denoises(
    folder: Path, out: Path, capfd: pytest.CaptureFixture[str], noisy_frame: MakeFrame
) -> None:
    assert train(folder, out) == 0

    run = out.with_suffix(".run")
    printed = capfd.readouterr()
    assert printed.out == f"{out}: trained on 3 pairs; log in {run}\n"
    assert re.fullmatch(r"step 2: held-out scenes: relMSE [\d.]+, PSNR [\d.]+ dB \(.*\)\n", printed.err)
    assert sorted(path.name for path in out.parent.iterdir()) == ["show.run", "show.safetensors"]
    assert {"log.csv", "state.safetensors"} <= {path.name for path in run.iterdir()}
    frame = exr.read_frame(folder / "place0.a.exr")
    exr.write_frame(out.parent / "frame.exr", frame)
    assert main([str(out.parent / "frame.exr"), "--model", str(out), "--device", "cpu"]) == 0
    assert np.isfinite(exr.read_frame(out.parent / "frame_denoised.exr").color).all()


def test_run_again_with_more_steps_goes_on(
    folder: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train(folder, out)
    assert train(folder, out, "--steps", "3") == 0

    rows = (out.with_suffix(".run") / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2", "3"]


def test_settings_file_is_taken_and_flags_win_over_it(folder: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "show.toml").write_text('network = "unet"\nseed = 5\nsteps = 9\n')

    assert train(folder, out, "--config", str(tmp_path / "show.toml"), "--seed", "6") == 0

    settings = checkpoint.load_model(out).card["settings"]
    assert (settings["network"], settings["seed"], settings["steps"]) == ("unet", 6, 2)


def test_bad_pair_is_reported_and_the_others_are_trained_on(
    folder: Path, out: Path, capfd: pytest.CaptureFixture[str], noisy_frame: MakeFrame
) -> None:
    small.save_pair(folder, "twin", [noisy_frame(1), noisy_frame(2)], seeds=(7, 7))

    assert train(folder, out) == 0

    printed = capfd.readouterr()
    said = f"{folder}/twin.a.exr: a and b: have the same seed, so the noise is the same"
    assert printed.err.splitlines()[0] == f"mcdenoise: left out: {said}"
    assert f"{out}: trained on 3 pairs" in printed.out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("show.pt", "{out}: a model's name ends in .safetensors"),
        ("show", "{out}: a model's name ends in .safetensors"),
        ("nowhere/show.safetensors", "{out.parent}: no such folder; make it first"),
        ("file/show.safetensors", "{out.parent}: no such folder; make it first"),
    ],
)
def test_impossible_output_is_refused_before_any_work(
    folder: Path, out: Path, capfd: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    (out.parent / "file").touch()
    out = out.parent / name
    assert train(folder / "not even read", out) == 2
    assert refused(capfd, said.format(out=out))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--loss", "l1"), "loss: 'l1' darkens or brightens a model trained on noisy targets; use: "),
        (("--loss", "l3"), "loss: no 'l3'; there is: "),
        (("--crop", "33"), "train: --crop 33: must be a multiple of 32"),
        (("--steps", "0"), "train: --steps, "),
        (("--steps", "many"), "argument --steps: invalid int value: 'many'"),
        (("--device", "tpu"), "argument --device: invalid choice: 'tpu'"),
        (("--config", "/nowhere.toml"), "/nowhere.toml: can't read these settings: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_impossible_settings_are_refused_before_any_work(
    folder: Path, out: Path, capfd: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    assert train(folder / "not even read", out, *flags) == 2
    assert refused(capfd, said)
    assert list(out.parent.iterdir()) == []


def test_unknown_network_is_refused_and_leaves_nothing(
    folder: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(folder, out, "--network", "gan") == 2
    assert refused(capfd, "networks: no 'gan'; there is: ")
    assert list(out.parent.iterdir()) == []


def test_output_must_be_named(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(folder)]) == 2
    assert refused(capfd, "the following arguments are required: -o/--output")


def test_missing_folder_says_how_to_make_pairs(
    tmp_path: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "gone", out) == 1
    assert refused(capfd, f"{tmp_path}/gone: no such folder; make pairs with: mcdenoise render SCENE.xml -o ")
    assert list(out.parent.iterdir()) == []


def test_empty_folder_is_refused(tmp_path: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert train(tmp_path / "empty", out) == 1
    assert refused(capfd, f"{tmp_path}/empty: no pair to train on; no NAME.a.exr there")
    assert list(out.parent.iterdir()) == []


def test_file_in_place_of_a_folder_is_refused(
    folder: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(folder / "place0.a.exr", out) == 1
    assert refused(capfd, f"{folder}/place0.a.exr: no such folder")


def test_crop_larger_than_the_pairs_is_refused_and_leaves_no_model(
    folder: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(folder, out, "--crop", "64") == 1
    assert refused(capfd, "place0: (40, 48) is smaller than a crop; use --crop or leave it out")
    assert not out.exists()


def test_folder_that_cannot_be_written_is_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train(folder, Path("/proc/show.safetensors")) == 1
    assert refused(capfd, "/proc/show.run: can't write there: ")


def test_frames_that_are_no_noise_of_one_view_are_all_listed(
    tmp_path: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    black = Frame({"color": np.zeros((40, 48, 3), np.float32)})
    small.save_pair(tmp_path / "pairs", "one", [black, black], seeds=(3, 3))
    assert train(tmp_path / "pairs", out) == 1
    assert refused(
        capfd,
        f"{tmp_path}/pairs: no pair to train on; {tmp_path}/pairs/one.a.exr: a: color is black everywhere",
    )
