"""`--half`: two files, two sequences or two layers in; a picture, its error and an exit code out."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small import save_pair

from mcdenoise import exr, metrics
from mcdenoise.__main__ import main
from mcdenoise.exr import _writing
from mcdenoise.frame import Frame

pytest_plugins = ["halving_engine"]
halved = pytest.mark.usefixtures("halving_engine")
MakeFrame = Callable[..., Frame]
ROOM = Path(__file__).parent.parent / "examples" / "scenes" / "room.xml"


@pytest.fixture
def pair(tmp_path: Path, noisy_frame: MakeFrame) -> tuple[str, str]:
    first = save_pair(tmp_path, "view", [noisy_frame(1, size=(48, 64)), noisy_frame(2, size=(48, 64))])
    return str(first), str(first.with_name("view.b.exr"))


@halved
def test_result_holds_the_error_of_each_pixel_and_of_the_frame(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.exr"
    assert main([pair[0], "--half", pair[1], "-o", str(out)]) == 0
    (part,) = exr.read(out).parts
    error = part.pixels["mcdenoise.error"]
    said = part.head.values["mcdenoise.error"]
    assert error.dtype == np.float32
    assert error.mean() == pytest.approx(said, rel=1e-4)
    assert part.head.values["mcdenoise.half"] == "view.b.exr"
    assert f"expected error {said:.3g}" in capsys.readouterr().out


@halved
def test_all_but_the_color_is_the_first_halfs(pair: tuple[str, str], tmp_path: Path) -> None:
    main([pair[0], "--half", pair[1], "-o", str(tmp_path / "out.exr"), "--quiet"])
    (before,), (after,) = exr.read(Path(pair[0])).parts, exr.read(tmp_path / "out.exr").parts
    assert after.head.values["mcdenoise.seed"] == 1
    for name in before.pixels.keys() - set("RGB"):
        assert before.pixels[name].tobytes() == after.pixels[name].tobytes()


@halved
def test_error_that_a_frame_brings_along_is_replaced(noisy_frame: MakeFrame, tmp_path: Path) -> None:
    for letter, seed in ("a", 1), ("b", 2):
        color = noisy_frame(seed, size=(48, 64)).color
        channels = {name: np.ascontiguousarray(color[..., i]) for i, name in enumerate("RGB")}
        with (tmp_path / f"{letter}.exr").open("wb") as stream:
            old = np.full((48, 64), 7, np.float32)
            _writing.write_new(stream, {**channels, "mcdenoise.error": old}, {})
    assert main([str(tmp_path / "a.exr"), "--half", str(tmp_path / "b.exr"), "--inplace"]) == 0
    assert exr.read(tmp_path / "a.exr").parts[0].pixels["mcdenoise.error"].max() < 7


@halved
@pytest.mark.parametrize(("target", "code"), [("1000", 0), ("1e-9", 4)])
def test_frame_above_the_target_has_a_code_of_its_own_also_when_it_is_skipped(
    pair: tuple[str, str], tmp_path: Path, target: str, code: int
) -> None:
    report = tmp_path / "report.json"
    words = [pair[0], "--half", pair[1], "-o", str(tmp_path / "out.exr"), "--target-error", target]
    for status in ("denoised", "skipped"):
        assert main([*words, "--report", str(report), "--skip-existing"]) == code
        (told,) = json.loads(report.read_text())["frames"]
        assert told["status"] == status
        assert told["needs_samples"] is (code == 4)
        assert told["expected_error"] > 0


@halved
def test_failed_frame_tells_more_than_one_above_the_target(
    noisy_frame: MakeFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        frames = [noisy_frame(2 * number + half, size=(48, 64)) for half in range(2)]
        save_pair(tmp_path, f"shot.{number:02}", frames)
    (tmp_path / "shot.02.b.exr").unlink()
    words = [str(tmp_path / "shot.##.a.exr"), "--half", str(tmp_path / "shot.##.b.exr")]
    assert main([*words, "--target-error", "1e-9", "-o", str(tmp_path / "out.##.exr")]) == 1
    assert "1 of 2 frames aren't there" in capsys.readouterr().err
    assert exr.read(tmp_path / "out.01.exr").parts[0].head.values["mcdenoise.half"] == "shot.01.b.exr"


@halved
def test_result_of_another_half_is_not_taken_for_done(
    pair: tuple[str, str], noisy_frame: MakeFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = save_pair(tmp_path, "other", [noisy_frame(3, size=(48, 64)), noisy_frame(4, size=(48, 64))])
    words = [pair[0], "-o", str(tmp_path / "out.exr"), "--skip-existing", "--half"]
    assert main([*words, pair[1]]) == 0
    assert main([*words, str(other)]) == 1
    assert "wasn't made with the half other.a.exr" in capsys.readouterr().err


@halved
def test_second_half_may_be_a_layer_of_the_same_file(noisy_frame: MakeFrame, tmp_path: Path) -> None:
    one, other = noisy_frame(1, size=(48, 64)), noisy_frame(2, size=(48, 64))
    channels = {
        f"{layer}{letter}": np.ascontiguousarray(frame.color[..., i])
        for layer, frame in {"": one, "second.": other}.items()
        for i, letter in enumerate("RGB")
    }
    both, out = tmp_path / "both.exr", tmp_path / "out.exr"
    with both.open("wb") as stream:
        _writing.write_new(stream, channels, {})
    assert main([str(both), "--half", "second", "-o", str(out)]) == 0
    (part,) = exr.read(out).parts
    assert part.head.values["mcdenoise.half"] == "second"
    assert part.pixels["second.G"].tobytes() == channels["second.G"].tobytes()


@halved
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["view.a.exr", "--half", "view.a.exr"], 2, "is the frame itself"),
        (["view.a.exr", "--half", "./view.a.exr"], 2, "is the frame itself"),
        (["view.a.exr", "--half", "copy.exr"], 1, "same"),
        (["view.a.exr", "--half", "nowhere.exr"], 3, "nowhere.exr: no such file"),
        (["view.a.exr", "--half", "small.a.exr"], 1, "its data window is (0, 0, 31, 23)"),
        (["view.a.exr", "--half", "beauty"], 1, "no layer 'beauty'"),
        (["view.a.exr", "--half", "shot.####.exr"], 2, "both files, or both sequences"),
        (["view.a.exr", "small.a.exr", "--half", "view.b.exr"], 2, "one frame or one sequence"),
        (["view.a.exr", "--target-error", "0.1"], 2, "give --half too"),
        (["view.a.exr", "--half", "view.b.exr", "--target-error", "none"], 2, "isn't a number"),
        (
            ["view.a.exr", "--half", "view.b.exr", "-o", "view.b.exr", "--force"],
            2,
            "overwrite the other half",
        ),
    ],
)
def test_what_is_no_half_is_one_line_and_leaves_nothing(
    pair: tuple[str, str],
    noisy_frame: MakeFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    save_pair(tmp_path, "small", [noisy_frame(5), noisy_frame(6)])
    Path("copy.exr").write_bytes(Path("view.a.exr").read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(words) == code
    told = capsys.readouterr().err.strip()
    assert says in told
    assert "\n" not in told
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


# ---- the story, with real renders ----


def render(folder: Path, spp: int, seed: int) -> Path:
    words = ["render", str(ROOM), "-o", str(folder), "--size", "64x64", "--views", "1", "--filter", "box"]
    assert main([*words, "--spp", str(spp), "--seed", str(seed), "--quiet"]) == 0
    return folder / f"room.v000.{spp}spp.box.a.exr"


@pytest.mark.slow
@pytest.mark.render
@pytest.mark.timeout(900)
def test_error_falls_with_samples_and_is_never_above_the_inputs(tmp_path: Path) -> None:
    reference = render(tmp_path / "reference", 8192, 9)
    clean = [exr.read_frame(reference.with_name(reference.name.replace(".a.", f".{h}."))).color for h in "ab"]
    errors, expected = [], []
    for spp in (1, 4, 16, 64, 256, 1024, 4096):
        first = render(tmp_path / "work", spp, spp)
        second = first.with_name(first.name.replace(".a.", ".b."))
        out = tmp_path / f"{spp}.exr"
        assert main([str(first), "--half", str(second), "-o", str(out), "--device", "cpu", "--quiet"]) == 0
        mean = (exr.read_frame(first).color + exr.read_frame(second).color) / 2
        result = exr.read_frame(out)
        errors.append(metrics.relmse(result.color, clean[0], second_half=clean[1]))
        expected.append(result.attributes["mcdenoise.error"])
        assert errors[-1] <= metrics.relmse(mean, clean[0], second_half=clean[1])
    assert errors == sorted(errors, reverse=True)
    assert expected == sorted(expected, reverse=True)
