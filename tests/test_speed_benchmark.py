import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("pyoidn")  # mcdenoise[bench]

from benchmarks import clocks, origin, quality, speed, turns
from mcdenoise import oidn
from mcdenoise.errors import UsageError
from mcdenoise.frame import Frame


def test_contenders_take_turns_after_one_warm_up_each() -> None:
    calls: list[str] = []
    contenders = {"ours": lambda: calls.append("A"), "OIDN": lambda: calls.append("B")}
    timings = turns.take_turns("frame", contenders, 3)
    assert "".join(calls) == "AB" + "ABABAB"
    assert [len(timing.seconds) for timing in timings] == [3, 3]


def test_ratio_is_ours_over_the_peer_of_the_same_turn() -> None:
    ours, oidn = turns.take_turns("frame", {"ours": lambda: None, "OIDN": lambda: None}, 3)
    assert ours.over(oidn) == pytest.approx([a / b for a, b in zip(ours.seconds, oidn.seconds, strict=True)])
    assert ours.over(ours) == (1, 1, 1)


@pytest.mark.parametrize("change", [{"run": "yesterday's"}, {"clock": "process"}])
def test_seconds_of_two_runs_or_clocks_are_not_compared(change: dict[str, str]) -> None:
    ours = turns.Timing("frame", "ours", (1.0, 1.0))
    with pytest.raises(UsageError, match="measure both in one, taking turns"):
        ours.over(replace(ours, **change))


def test_process_tells_its_own_peak_and_not_its_parents() -> None:
    small, large = (turns.process([sys.executable, "-c", code]) for code in
                    ("pass", "x = b'1' * 2**28; sum(range(10**6))"))  # fmt: skip
    assert small.peak_gib < 0.03  # this process holds more
    assert 0.24 < large.peak_gib - small.peak_gib < 0.3
    assert 0 < small.processor_seconds < large.processor_seconds


def test_table_has_first_contender_over_each_of_its_clock() -> None:
    used = turns.Used(seconds=1, peak_gib=1.5, processor_seconds=2.25)
    given = [turns.Timing("process", "ours", (1.0, 2.0, 3.0), (used,) * 3),
             turns.Timing("process", "theirs", (2.0, 4.0, 4.0), (used,) * 3),
             turns.Timing("frame", "ours", (5.0,))]  # fmt: skip
    *_, ours, theirs, frame = turns.as_markdown(given).splitlines()
    assert ours == "| process | ours | 2.000 | 1.000 .. 3.000 | 1.00 | 1.00 .. 1.00 | 1.50 | 2.25 |"
    assert theirs == "| process | theirs | 4.000 | 2.000 .. 4.000 | 0.50 | 0.50 .. 0.75 | 1.50 | 2.25 |"
    assert frame == "| frame | ours | 5.000 | 5.000 .. 5.000 | 1.00 | 1.00 .. 1.00 |  |  |"


@pytest.fixture
def given(tmp_path: Path, noisy_frame: Callable[..., Frame]) -> clocks.Given:
    return clocks.Given(noisy_frame(1, size=(32, 48)), origin_model(), tmp_path, frames=3, large=(64, 48))


def origin_model() -> Path:
    return Path(origin.__file__).parent.parent / "mcdenoise" / "weights" / "standard.safetensors"


@pytest.mark.parametrize("clock", ["start", "files"])
def test_contenders_of_quick_clocks_do_their_work(clock: str, given: clocks.Given) -> None:
    timings = turns.take_turns(clock, clocks.CLOCKS[clock][0](given), 1)
    assert len(timings) >= 3
    assert all(seconds > 0 for timing in timings for seconds in timing.seconds)


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["frame", "process", "sequence", "large"])
def test_contenders_of_all_clocks_do_their_work(clock: str, given: clocks.Given) -> None:
    timings = turns.take_turns(clock, clocks.CLOCKS[clock][0](given), 1)
    assert len(timings) >= 2
    if clock == "sequence":
        assert len(list((given.folder / "clean").glob("shot_denoised.*.exr"))) == 3
    if clock == "process":
        assert timings[0].used[0].peak_gib > 0.1


def test_other_checkout_takes_turns_with_its_own_code(given: clocks.Given, tmp_path: Path) -> None:
    package = tmp_path / "other" / "mcdenoise"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("raise SystemExit('the other one')")
    ours, other, *_ = clocks.start(replace(given, beside=tmp_path / "other")).values()
    ours()
    with pytest.raises(turns.PeerError, match="the other one"):
        other()


def test_frame_by_another_checkout_is_its_own_and_may_fail(given: clocks.Given, tmp_path: Path) -> None:
    package = tmp_path / "other" / "mcdenoise"
    (package / "commands").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "class exr:\n"
        "    read_frame = staticmethod(lambda path: type('Frame', (), {'size': (1, 1)}))\n"
        "def Denoiser(model, device):\n"
        "    return lambda frame: print('denoised', end=' ')\n"
    )
    (package / "commands" / "__init__.py").touch()
    (package / "commands" / "_memory.py").write_text("def keep_for(height, width):\n    pass\n")
    work = clocks.waiting(given, tmp_path / "other")
    work()
    work()
    (package / "commands" / "_memory.py").unlink()
    with pytest.raises(turns.PeerError, match="can't denoise a frame"):
        clocks.waiting(given, tmp_path / "other")()


def test_engines_without_a_model_are_refused_with_the_cure(given: clocks.Given) -> None:
    with pytest.raises(UsageError, match="mcdenoise export"):
        clocks.blender(given)


def test_unknown_clock_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["speed", "frame.exr", "--model", "m", "--clocks", "sundial"])
    with pytest.raises(SystemExit):
        speed.main()
    assert "no 'sundial'; there is: frame, process" in capsys.readouterr().err


@pytest.mark.parametrize("size", [(10, 7), (32, 24), (100, 90)])
def test_frame_is_fitted_to_any_size_by_its_own_pixels(
    size: tuple[int, int], noisy_frame: Callable[..., Frame]
) -> None:
    frame = noisy_frame(1, size=(24, 32))
    fitted = speed.fit(frame, size)
    assert fitted.size == size[::-1]
    assert set(np.unique(fitted.color)) <= set(np.unique(frame.color))
    np.testing.assert_array_equal(fitted.color[:7, :10], frame.color[:7, :10])


def test_oidns_own_program_reads_the_pfm_we_write_the_right_way_up(
    tmp_path: Path, noisy_frame: Callable[..., Frame]
) -> None:
    frame = noisy_frame(1)
    clocks.write_pfm(tmp_path / "color.pfm", frame.color)
    out = tmp_path / "out.pfm"
    turns.process([clocks.OIDN_DENOISE, "--hdr", tmp_path / "color.pfm", "-o", out, "-d", "cpu"])
    pixels = np.frombuffer(out.read_bytes().split(b"\n", 3)[3], "<f4").reshape(frame.color.shape)[::-1]
    np.testing.assert_allclose(pixels, oidn.color_only(frame), rtol=1e-3, atol=1e-4)


def test_program_that_fails_is_one_error_with_its_last_words() -> None:
    code = "import sys; print('first', file=sys.stderr); sys.exit('out of luck')"
    with pytest.raises(turns.PeerError, match="exit code 1, saying: out of luck"):
        turns.process([sys.executable, "-c", code])


@pytest.mark.parametrize("missing", ["model", "work"])
@pytest.mark.parametrize("benchmark", [quality, speed])
def test_missing_input_is_one_line_and_exit_code_3(
    benchmark: ModuleType,
    missing: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = Path(__file__) if missing == "work" else tmp_path / "none.safetensors"
    words = ["benchmark", tmp_path / "none", "--model", model, "--out", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    assert benchmark.main() == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
