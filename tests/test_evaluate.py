import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mcdenoise import exr
from mcdenoise.__main__ import main
from mcdenoise.frame import Frame


@pytest.fixture
def files(tmp_path: Path, noisy_frame: Callable[..., Frame]) -> Path:
    """clean.exr, noisy.exr (sigma 0.5), better.exr (sigma 0.1) and small.exr of another size."""
    exr.write_frame(tmp_path / "clean.exr", noisy_frame(0, sigma=0))
    exr.write_frame(tmp_path / "noisy.exr", noisy_frame(1, sigma=0.5))
    exr.write_frame(tmp_path / "better.exr", noisy_frame(2, sigma=0.1))
    exr.write_frame(tmp_path / "small.exr", noisy_frame(3, size=(8, 9)))
    return tmp_path


def evaluate(folder: Path, *words: str) -> int:
    return main(["evaluate", *(str(folder / word) if word.endswith(".exr") else word for word in words)])


def test_better_picture_has_the_lower_error_in_the_json(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(files, "noisy.exr", "better.exr", "--reference", "clean.exr", "--json") == 0
    scores = json.loads(capsys.readouterr().out)["files"]
    noisy, better = scores[str(files / "noisy.exr")], scores[str(files / "better.exr")]
    assert better["relmse"] < noisy["relmse"] / 4
    assert better["psnr"] > noisy["psnr"]
    assert better["ssim"] > noisy["ssim"]
    assert better["energy"] == pytest.approx(1, abs=0.02)


def test_equal_pictures_give_json_without_infinity(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(files, "clean.exr", "--reference", "clean.exr", "--json")
    scores = json.loads(capsys.readouterr().out)["files"][str(files / "clean.exr")]
    assert scores["relmse"] == 0
    assert scores["psnr"] is None


def test_table_has_a_line_for_each_file_and_a_heading(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(files, "noisy.exr", "better.exr", "--reference", "clean.exr")
    heading, noisy, better = capsys.readouterr().out.splitlines()
    assert heading.split() == ["relmse", "smape", "psnr", "ssim", "energy", "dark", "bright"]
    assert [len(line.split()) for line in (noisy, better)] == [8, 8]


def test_second_half_of_the_reference_takes_its_noise_out_of_the_error(
    files: Path, noisy_frame: Callable[..., Frame], capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, name in ((11, "half.a.exr"), (12, "half.b.exr")):
        exr.write_frame(files / name, noisy_frame(seed, sigma=0.1))
    error = []
    for words in (["half.a.exr"], ["half.a.exr", "--reference2", "half.b.exr"], ["clean.exr"]):
        evaluate(files, "better.exr", "--reference", *words, "--json")
        error.append(json.loads(capsys.readouterr().out)["files"][str(files / "better.exr")]["relmse"])
    one_half, both_halves, true = error
    assert abs(both_halves - true) < abs(one_half - true) / 3


def test_bad_file_is_one_line_and_does_not_stop_the_rest(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "broken.exr").write_bytes(b"no picture")
    assert evaluate(files, "broken.exr", "small.exr", "better.exr", "--reference", "clean.exr") != 0
    said = capsys.readouterr()
    assert "better.exr" in said.out
    assert [line.split(": ")[0] for line in said.err.splitlines()] == ["mcdenoise", "mcdenoise"]
    assert "small.exr: is 9x8, the reference 32x24; compare pictures of one size" in said.err


def test_missing_reference_is_one_line_and_its_exit_code(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(files, "noisy.exr", "--reference", "none.exr") == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_picture_with_nan_is_measured_as_nan(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = exr.read_frame(files / "noisy.exr")
    frame.color[0, 0] = np.nan
    exr.write_frame(files / "nan.exr", frame)
    assert evaluate(files, "nan.exr", "--reference", "clean.exr", "--json") == 0
    assert json.loads(capsys.readouterr().out)["files"][str(files / "nan.exr")]["relmse"] is None


def test_page_holds_the_pixels_of_each_file_and_the_table(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        evaluate(
            files, "noisy.exr", "better.exr", "--reference", "clean.exr", "--html", str(files / "a.html")
        )
        == 0
    )
    text = (files / "a.html").read_text(encoding="utf-8")
    shown = json.loads(re.search(r'type="application/json">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert shown["table"][1:] == [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    for picture, name in zip(shown["pictures"], ("noisy", "better", "clean"), strict=True):
        halves = np.frombuffer(base64.b64decode(picture["pixels"].partition(",")[2]), "<f2")
        color = exr.read_frame(files / f"{name}.exr").color
        np.testing.assert_allclose(halves.reshape(color.shape) / shown["scale"], color, rtol=1e-3)


def test_page_that_cannot_be_written_is_one_line(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        evaluate(files, "noisy.exr", "--reference", "clean.exr", "--html", str(files / "no" / "a.html")) == 2
    )
    told = capsys.readouterr().err
    assert told.endswith("a.html: can't be written: No such file or directory; choose another\n")
    assert told.count("\n") == 1


def test_evaluate_imports_no_torch(files: Path) -> None:
    code = (
        "import sys; from mcdenoise.__main__ import main; "
        f"main(['evaluate', {str(files / 'noisy.exr')!r}, '--reference', {str(files / 'clean.exr')!r}]); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
