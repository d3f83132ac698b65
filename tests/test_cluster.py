"""`render --workers` and `--cluster`: the same pairs, whatever dies on the way."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mcdenoise import cluster, exr
from mcdenoise.__main__ import main
from mcdenoise.errors import McdenoiseError, UsageError

SMALL = ["--views", "2", "--size", "16x16", "--spp", "1", "--quiet"]


def double_unless_told_to_die(number: int, marker: Path) -> int:
    if number == 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 3:
        raise ValueError("three\nis bad")
    return 2 * number


@pytest.mark.slow
def test_killed_worker_loses_no_task_and_a_failed_task_stops_no_other(tmp_path: Path) -> None:
    tasks = [(number, tmp_path / "died") for number in range(6)]
    done = dict(cluster.run(double_unless_told_to_die, tasks, workers=2, address=""))
    assert (tmp_path / "died").exists()
    assert done == {0: 0, 1: 2, 2: 4, 3: "three is bad", 4: 8, 5: 10}


@pytest.mark.slow
def test_another_cluster_on_this_machine_is_no_hindrance() -> None:
    with socket.socket() as other:
        with contextlib.suppress(OSError):  # somebody has it already
            other.bind(("127.0.0.1", 8787))  # where Dask's pages are by default
            other.listen()
        assert dict(cluster.run(abs, [(-1,)], workers=1, address="")) == {0: 1}


@pytest.mark.slow
def test_scene_that_is_not_there_fails_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = [str(tmp_path / name) for name in ("no.xml", "none.xml")]
    code = main(["render", *scenes, "-o", str(tmp_path / "pairs"), "--workers", "2", *SMALL])
    said = capsys.readouterr()
    assert code == 3
    assert "no.xml: no such scene file" in said.err
    assert "0 rendered, 4 failed" in said.out


def test_cluster_that_does_not_answer_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    code = main(
        ["render", "--procedural", "1", "-o", str(tmp_path), "--cluster", "tcp://127.0.0.1:9", *SMALL]
    )
    assert code == 2
    assert "--cluster tcp://127.0.0.1:9: no scheduler answers there" in capsys.readouterr().err


def test_no_workers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--procedural", "1", "-o", str(tmp_path), "--workers", "0"]) == 2
    assert "--workers 0" in capsys.readouterr().err


def test_without_distributed_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'mcdenoise\[cluster\]'"):
        list(cluster.run(double_unless_told_to_die, [], workers=2, address=""))


@pytest.mark.render
def test_killed_run_of_two_workers_is_completed_by_the_next_one(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mcdenoise", "render", "--procedural", "3", "--workers", "2", *SMALL, "-o"]
    running = subprocess.Popen([*words, str(tmp_path / "pairs")], start_new_session=True)
    deadline = time.monotonic() + 200
    while not list((tmp_path / "pairs").glob("*.exr")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    subprocess.run([*words, str(tmp_path / "pairs")], check=True)
    assert main(["render", "--procedural", "3", *SMALL, "-o", str(tmp_path / "alone")]) == 0
    names = sorted(path.name for path in (tmp_path / "alone").iterdir())
    assert sorted(path.name for path in (tmp_path / "pairs").glob("*.exr")) == names
    for name in names:
        one, other = (exr.read_frame(tmp_path / folder / name) for folder in ("pairs", "alone"))
        assert (one.color == other.color).all()


def test_scheduler_that_dies_while_it_hands_a_result_over_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")

    def broken(_: object) -> None:
        raise distributed.comm.core.CommClosedError("closed")

    assert list(cluster.run(abs, [(-1,)], workers=1, address="")) == [(0, 1)]
    monkeypatch.setattr(distributed.Future, "result", broken)
    with pytest.raises(McdenoiseError, match="--workers 1: the scheduler is gone"):
        list(cluster.run(abs, [(-1,)], workers=1, address=""))
