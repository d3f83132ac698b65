"""Sequences: which frames, what is skipped, what is told to whom, and what a signal leaves."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcdenoise import exr
from mcdenoise.__main__ import main
from mcdenoise.commands import _pipeline
from mcdenoise.errors import ExrError
from mcdenoise.frame import Frame

pytest_plugins = ["halving_engine"]
halved = pytest.mark.usefixtures("halving_engine")


def save(path: Path, value: float = 2.0) -> Path:
    exr.write_frame(path, Frame({"color": np.full((4, 6, 3), value, np.float32)}))
    return path


def shot(folder: Path, *numbers: int) -> str:
    for number in numbers:
        save(folder / f"shot.{number:04}.exr", number)
    return str(folder / "shot.####.exr")


def written(folder: Path, name: str = "out.*.exr") -> dict[int, float]:
    """The mean of each result by its number."""
    return {
        int(path.name.split(".")[1]): float(exr.read_frame(path).color.mean()) for path in folder.glob(name)
    }


@halved
def test_frames_asked_for_are_denoised_under_their_own_numbers(tmp_path: Path) -> None:
    pattern = shot(tmp_path, *range(1, 11))
    code = main([pattern, "--frames", "1-7x2,9-10", "-o", str(tmp_path / "out.####.exr")])
    assert code == 0
    assert written(tmp_path) == {number: number / 2 for number in (1, 3, 5, 7, 9, 10)}


@halved
@pytest.mark.parametrize("place", ["%04d", "$F4", "@@@@", "####"])
def test_every_way_to_write_the_place_of_the_number_is_understood(tmp_path: Path, place: str) -> None:
    shot(tmp_path, 7)
    out = str(tmp_path / f"out.{place}.exr")
    assert main([str(tmp_path / f"shot.{place}.exr"), "--frames", "7", "-o", out]) == 0
    assert written(tmp_path) == {7: 3.5}


@halved
def test_without_frames_all_that_are_there_are_taken_and_gaps_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = shot(tmp_path, 1, 2, 3, 6)
    save(tmp_path / "shot.00004.exr")  # another number of digits
    (tmp_path / "clean").mkdir()
    assert main([pattern, "-o", f"{tmp_path}/clean"]) == 0
    assert written(tmp_path / "clean", "shot_denoised.*.exr") == {1: 0.5, 2: 1, 3: 1.5, 6: 3}
    assert capsys.readouterr().err == f"mcdenoise: between those frames there is no {pattern} 4-5\n"


@halved
def test_file_whose_name_is_a_pattern_is_a_frame(tmp_path: Path) -> None:
    assert main([str(save(tmp_path / "a#.exr")), "-o", str(tmp_path / "out.exr")]) == 0
    assert (tmp_path / "out.exr").exists()


@halved
def test_missing_frames_are_named_before_any_work_and_the_others_are_done(
    tmp_path: Path, halving_engine: type, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = shot(tmp_path, 1, 2, 6)
    told: list[str] = []
    work = halving_engine.__call__  # type: ignore[attr-defined]

    def noting(self: Any, *given: Any, **more: Any) -> Frame:
        told.append(capsys.readouterr().err)
        return work(self, *given, **more)  # type: ignore[no-any-return]

    monkeypatch.setattr(halving_engine, "__call__", noting)
    out = ["-o", str(tmp_path / "out.####.exr")]
    assert main([pattern, "--frames", "1-6", *out]) == 1
    assert told[0] == f"mcdenoise: 3 of 6 frames aren't there: {pattern} 3-5; render them first\n"
    assert sorted(written(tmp_path)) == [1, 2, 6]
    assert main([pattern, "--frames", "3-5", *out]) == 3
    assert main([str(tmp_path / "no.####.exr"), *out]) == 3


@halved
def test_bad_frame_is_named_at_the_end_and_stops_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = shot(tmp_path, *range(1, 6))
    (tmp_path / "shot.0003.exr").write_text("no picture")
    assert main([pattern, "--frames=1-5", "-o", str(tmp_path / "out.####.exr")]) == 1
    assert sorted(written(tmp_path)) == [1, 2, 4, 5]
    assert capsys.readouterr().err.endswith(f"mcdenoise: 1 of 5 frames failed: {pattern} 3\n")


@halved
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shot.####.exr", "--frames", "1-20:3"], "--frames 1-20:3: ':' is a step in OpenJD"),
        (["shot.####.exr", "--frames", "one"], "--frames one: can't be read; write ranges such as"),
        (["shot.####.exr", "--frames", "1.5"], "--frames 1.5: no whole numbers"),
        (["shot.####.exr", "--frames", "1-9999999999"], "--frames 1-9999999999: can't be read"),
        (["shot.0001.exr", "--frames", "1"], "--frames 1: no place for them in shot.0001.exr"),
        (["shot.0001.exr", "-o", "out.####.exr"], "-o out.####.exr: a place for a number, and none in"),
        (["shot.####.exr", "--frames", "1-2", "-o", "out.exr"], "out.exr: would be the result of"),
        (
            ["shot.####.exr", "--frames", "1-2", "--chunk-size", "1"],
            "--chunk-size and --chunk-index: neither",
        ),
        (["shot.####.exr", "--chunk-size", "1", "--chunk-index", "0"], "--chunk-index: needs --frames"),
        (
            ["shot.####.exr", "--frames", "1-5", "--chunk-size", "2", "--chunk-index", "3"],
            "--chunk-index 3: 5 frames are 3 chunks of 2, 0 to 2",
        ),
        (["shot.0001.exr", "--report", "nowhere/report.json"], "--report nowhere/report.json: can't be"),
    ],
)
def test_wrong_use_of_sequences_is_one_line_and_code_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], said: str,
) -> None:  # fmt: skip
    shot(tmp_path, 1, 2)
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"mcdenoise: {said}")
    assert printed.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shot.0001.exr", "shot.0002.exr"]


@halved
@pytest.mark.parametrize("size", [1, 3, 7, 8])
def test_chunks_cover_every_frame_once(tmp_path: Path, size: int) -> None:
    pattern = shot(tmp_path, *range(1, 8))
    for index in range(-(-7 // size)):
        flags = ["--chunk-size", str(size), "--chunk-index", str(index)]  # a second time would be refused
        assert main([pattern, "--frames", "1-7", "-o", str(tmp_path / "out.####.exr"), *flags]) == 0
    assert sorted(written(tmp_path)) == list(range(1, 8))


class TestSkipExisting:
    """`--skip-existing` leaves out what is done, and only that."""

    pytestmark = halved

    @pytest.fixture
    def words(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
        words = [shot(tmp_path, 1, 2, 3), "--skip-existing", "-o", str(tmp_path / "out.####.exr")]
        assert main(words) == 0
        capsys.readouterr()
        return words

    def test_nothing_is_done_twice_and_the_model_is_not_even_loaded(
        self, tmp_path: Path, words: list[str], halving_engine: type, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(halving_engine, "__init__", lambda *_, **__: pytest.fail("loaded"))
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        assert main(words) == 0
        assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda _, target: target.write_bytes(target.read_bytes()[:-9]), "is no whole frame"),
            (lambda source, target: target.write_bytes(source.read_bytes()), "has no mcdenoise.version"),
            (lambda _, target: os.utime(target, (1, 1)), "is older than"),
            (lambda source, _: save(source, 9), "is older than"),
        ],
    )
    def test_other_content_is_refused_and_made_again_by_force(
        self, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str],
        change: Callable[[Path, Path], object], said: str,
    ) -> None:  # fmt: skip
        time.sleep(0.02)  # longer than a tick of the file system's clock
        target = tmp_path / "out.0002.exr"
        change(tmp_path / "shot.0002.exr", target)
        changed = target.read_bytes()

        assert main(words) == 1
        assert f"mcdenoise: {target}: exists and {said}" in capsys.readouterr().err
        assert target.read_bytes() == changed
        assert main([*words, "--force"]) == 0
        assert capsys.readouterr().out.count("is there already") == 2
        assert exr.read_frame(target).color.mean() in (1, 4.5)

    @pytest.mark.parametrize(
        ("flags", "said"),
        [
            (["--strength", "0.5"], "has mcdenoise.strength 1.0 where it would be 0.5"),
            (["--model", "mine.safetensors"], "has mcdenoise.model 'standard' where it would be 'mine'"),
            (["--keep-noisy"], "has other channels than"),
            (["--compression", "piz"], "is packed as zip"),
        ],
    )
    def test_result_of_other_flags_is_refused(
        self, words: list[str], capsys: pytest.CaptureFixture[str], flags: list[str], said: str
    ) -> None:
        assert main([*words, *flags]) == 1
        assert capsys.readouterr().err.count(said) == 3
        assert main([*words, *flags, "--force"]) == 0
        assert main([*words, *flags]) == 0  # and now it is there

    def test_strength_that_no_float_holds_is_recognised(self, words: list[str]) -> None:
        assert main([*words, "--strength", "0.1", "--force"]) == 0
        assert main([*words, "--strength", "0.1"]) == 0

    def test_frame_denoised_in_place_is_not_denoised_again(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        frame = save(tmp_path / "frame.exr")
        assert main([str(frame), "--inplace", "--skip-existing"]) == 0
        assert main([str(frame), "--inplace", "--skip-existing"]) == 0
        assert exr.read_frame(frame).color.mean() == 1
        assert main([str(frame), "--inplace", "--skip-existing", "--strength", "0.5"]) == 1
        assert "is denoised already, and has mcdenoise.strength 1.0" in capsys.readouterr().err


@halved
@pytest.mark.parametrize(
    ("form", "said"),
    [
        (
            "openjd",
            ["openjd_progress: 33.3", "openjd_fail: ", "openjd_progress: 66.7", "openjd_progress: 100.0"],
        ),
        ("deadline", ["Progress: 33%", "Progress: 66%", "Progress: 100%"]),
        ("alfred", ["ALF_PROGRESS 33%", "ALF_PROGRESS 66%", "ALF_PROGRESS 100%"]),
    ],
)
def test_progress_is_told_in_the_farms_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, said: list[str]
) -> None:
    pattern = shot(tmp_path, 1, 2, 3)
    (tmp_path / "shot.0002.exr").write_text("no picture")
    assert main([pattern, "--progress-format", form, "--quiet", "-o", str(tmp_path / "out.####.exr")]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "_status" not in line]
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))


@halved
def test_json_progress_is_json_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([shot(tmp_path, 4, 5), "--progress-format", "json", "-o", str(tmp_path / "out.####.exr")])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["ended"], line["total"], line["frame"], line["status"]) for line in lines] == [
        (1, 2, 4, "denoised"),
        (2, 2, 5, "denoised"),
    ]


@halved
def test_report_names_every_frame_and_how_it_ended(tmp_path: Path) -> None:
    pattern = shot(tmp_path, 1, 2, 3)
    out = ["-o", str(tmp_path / "out.####.exr"), "--report", str(tmp_path / "report.json")]
    main([pattern, "--frames", "1", *out])
    (tmp_path / "shot.0003.exr").write_text("no picture")
    assert main([pattern, "--frames", "1-4", "--skip-existing", *out]) == 1

    report = json.loads((tmp_path / "report.json").read_text())
    assert report["format"] == 1
    assert report["counts"] == {"skipped": 1, "denoised": 1, "failed": 1, "missing": 1}
    told = [(frame["frame"], frame["status"]) for frame in report["frames"]]
    assert told == [(1, "skipped"), (2, "denoised"), (3, "failed"), (4, "missing")]
    assert "not an OpenEXR file" in report["frames"][2]["error"]
    assert report["frames"][1]["target"] == str(tmp_path / "out.0002.exr")


# Ctrl-C is ignored by what a shell started in the background, and by all its children: this one isn't.
STOPPED = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {tests!r})
from types import SimpleNamespace
import halving_engine
from mcdenoise.__main__ import main

class Slow(halving_engine.Denoiser):
    def __call__(self, frame, **more):
        time.sleep(0.4)
        return super().__call__(frame, **more)

sys.modules["mcdenoise.engine"] = SimpleNamespace(Denoiser=Slow)
sys.exit(main(sys.argv[1:]))
"""


def slow_run(*words: str) -> subprocess.Popen[str]:
    code = STOPPED.format(tests=str(Path(__file__).parent))
    return subprocess.Popen([sys.executable, "-c", code, *words], text=True, stderr=subprocess.PIPE)


@pytest.mark.skipif(os.name == "nt", reason="no such signals on Windows")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_leaves_whole_frames_a_report_and_a_code(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    pattern, report = shot(tmp_path, *range(1, 30)), tmp_path / "report.json"
    out = ["-o", str(tmp_path / "out.####.exr"), "--report", str(report)]
    running = slow_run(pattern, *out)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("out.*.exr"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(number)
    _, said = running.communicate(timeout=60)

    assert running.returncode == code
    assert said.endswith("mcdenoise: stopped\n")
    done = written(tmp_path)
    assert done == {frame: frame / 2 for frame in done}
    assert 2 <= len(done) < 29
    counts = json.loads(report.read_text())["counts"]
    assert counts == {"denoised": len(done), "left": 29 - len(done)}
    assert not list(tmp_path.glob(".*"))  # no part files


def test_killed_run_is_completed_by_the_next_and_no_frame_is_done_twice(tmp_path: Path) -> None:
    words = [shot(tmp_path, *range(1, 7)), "-o", str(tmp_path / "out.####.exr"), "--skip-existing", "--quiet"]
    running = slow_run(*words)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("out.*.exr"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.kill()
    running.communicate()
    before = {path: path.stat().st_ino for path in tmp_path.glob("out.*.exr")}
    again = slow_run(*words)
    assert (again.communicate(timeout=60), again.returncode) == ((None, ""), 0)
    assert written(tmp_path) == {number: number / 2 for number in range(1, 7)}
    assert {path: path.stat().st_ino for path in before} == before


def test_two_workers_on_the_same_frames_harm_nothing(tmp_path: Path) -> None:
    words = [shot(tmp_path, *range(1, 7)), "-o", str(tmp_path / "out.####.exr"), "--skip-existing", "--quiet"]
    both = [slow_run(*words), slow_run(*words)]
    said = [running.communicate(timeout=60) for running in both]
    assert (said, [running.returncode for running in both]) == ([(None, ""), (None, "")], [0, 0])
    assert written(tmp_path) == {number: number / 2 for number in range(1, 7)}
    assert not list(tmp_path.glob(".*"))


class TestPipeline:
    """Stages overlap, errors stay with their job, and too little memory means: again, alone."""

    def run(self, jobs: list[int], stages: "_pipeline.Stages[int, int, int, int]") -> dict[int, Any]:
        ended: dict[int, Any] = {}
        _pipeline.run(jobs, stages, lambda job, done: ended.update({job: done.exception() or done.result()}))
        return ended

    def test_next_frame_is_read_and_previous_one_written_while_the_network_runs(self) -> None:
        read_third, wrote_first = threading.Event(), threading.Event()

        def read(job: int) -> int:
            if job == 3:
                read_third.set()
            return job

        def work(job: int, given: int) -> int:
            if job == 2:  # neither could be if stages took turns
                assert read_third.wait(10)
                assert wrote_first.wait(10)
            return 2 * given

        def write(job: int, worked: int) -> int:
            if job == 1:
                wrote_first.set()
            return worked

        assert self.run([1, 2, 3], _pipeline.Stages(read, lambda: work, write)) == {1: 2, 2: 4, 3: 6}

    def test_error_of_any_stage_ends_its_own_frame_only(self) -> None:
        def bad(*given: int) -> int:
            stage, job = given[0], given[1]
            if stage == job:
                raise ExrError(f"stage {stage}")
            return job

        stages = _pipeline.Stages(
            lambda job: bad(1, job), lambda: lambda job, _: bad(2, job), lambda job, _: bad(3, job)
        )
        told = {job: str(end) for job, end in self.run([1, 2, 3, 4], stages).items()}
        assert told == {1: "stage 1", 2: "stage 2", 3: "stage 3", 4: "4"}

    def test_frame_that_lacks_memory_beside_others_is_done_alone_at_the_end(self) -> None:
        tries: list[int] = []

        def work(job: int, given: int) -> int:
            tries.append(job)
            if job == 2 and tries.count(2) == 1:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
            return given

        assert self.run([1, 2, 3], _pipeline.Stages(lambda job: job, lambda: work, lambda _, w: w)) == {
            1: 1, 2: 2, 3: 3,
        }  # fmt: skip
        assert tries == [1, 2, 3, 2]


@halved
def test_error_that_nobody_foresaw_ends_its_frame_only(
    tmp_path: Path, halving_engine: type, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def surprised(self: Any, frame: Frame, **_: Any) -> Frame:
        if frame.color.mean() == 2:
            raise ValueError("what is this")
        return frame

    monkeypatch.setattr(halving_engine, "__call__", surprised)
    assert main([shot(tmp_path, 1, 2, 3), "-o", str(tmp_path / "out.####.exr")]) == 1
    assert sorted(written(tmp_path)) == [1, 3]
    assert "shot.0002.exr: ValueError: what is this; please report this file" in capsys.readouterr().err
