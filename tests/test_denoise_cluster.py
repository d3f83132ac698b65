"""`denoise --workers` and `--cluster`: the same frames, whatever dies on the way."""

import argparse
import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import halving_engine
import numpy as np
import pytest

from mcdenoise import exr, halves
from mcdenoise.__main__ import main
from mcdenoise.commands import _elsewhere, _jobs
from mcdenoise.errors import UsageError
from mcdenoise.frame import Frame

pytest.importorskip("distributed")
HERE = Path(__file__).parent
COUNT = 40


def shot(folder: Path, *numbers: int) -> None:
    for number in numbers:
        frame = Frame({"color": np.full((4, 6, 3), number, np.float32)})
        exr.write_frame(folder / f"shot.{number:04}.exr", frame)


def written(folder: Path) -> dict[int, float]:
    """The mean of each result by its number; a half written one could not be read."""
    return {
        int(path.name.split(".")[1]): float(exr.read_frame(path).color.mean())
        for path in folder.glob("out.*.exr")
    }


def wait(is_so: Callable[[], object], seconds: float = 250) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def hear_interrupts() -> None:
    """Ctrl-C is ignored by what a shell started in the background, and by all its children: not by ours."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Studio:
    """A folder of frames, and what runs on them, with a slow engine in every worker."""

    folder: Path
    running: list["subprocess.Popen[str]"] = field(default_factory=list)
    more: dict[str, str] = field(default_factory=dict)

    def start(self, *words: str, cwd: Path | None = None) -> "subprocess.Popen[str]":
        """In a session of its own, so that all of it can be killed as a machine would be."""
        environment = {
            **os.environ, **self.more, "PYTHONPATH": f"{HERE.parent}:{HERE}",
            "TEST_WORKERS": str(self.folder / "pids"),
            "DASK_DISTRIBUTED__WORKER__PRELOAD": str([str(HERE / "slow_worker.py")]),
        }  # fmt: skip
        process = subprocess.Popen([sys.executable, "-m", *words], env=environment, cwd=cwd or self.folder,
                                   text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                   start_new_session=True, preexec_fn=hear_interrupts)  # fmt: skip
        self.running.append(process)
        return process

    def denoise(self, *words: str) -> "subprocess.Popen[str]":
        """All frames, by relative names."""
        frames = ["shot.####.exr", f"--frames=1-{COUNT}", "-o", "out.####.exr", "--skip-existing", "--quiet"]
        return self.start("mcdenoise", *frames, *words)

    def cluster(self, protocol: str = "tcp") -> tuple[str, "subprocess.Popen[str]"]:
        """A scheduler on the loopback; its address."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"{protocol}://127.0.0.1:{probe.getsockname()[1]}"
        place = ["--host", address.rpartition(":")[0], "--port", address.rpartition(":")[2]]
        return address, self.start("dask", "scheduler", *place, "--no-dashboard", cwd=Path("/"))

    def worker(self, address: str) -> "subprocess.Popen[str]":
        """A machine, started elsewhere."""
        one = ["--nthreads", "1", "--no-dashboard", "--host", address.rpartition(":")[0]]
        return self.start("dask", "worker", address, *one, cwd=Path("/"))

    def pids(self) -> list[int]:
        return [int(path.name) for path in (self.folder / "pids").iterdir()]

    def until(self, count: int) -> None:
        """Wait for so many results."""
        wait(lambda: len(list(self.folder.glob("out.*.exr"))) >= count)

    def inodes(self) -> dict[Path, int]:
        return {path: path.stat().st_ino for path in self.folder.glob("out.*.exr")}

    def expect_all(self) -> None:
        assert written(self.folder) == {number: number / 2 for number in range(1, COUNT + 1)}

    def ends(self, process: "subprocess.Popen[str]", code: int, said: str = "") -> None:
        _, told = process.communicate(timeout=250)
        assert process.returncode == code, told
        lines = [line for line in told.splitlines() if "warn" not in line.lower()]  # of what a dead one left
        assert len(lines) == bool(said), told
        assert told.startswith(said)


def kill(process: "subprocess.Popen[str]") -> None:
    """With all that it started, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    shot(tmp_path, *range(1, COUNT + 1))
    (tmp_path / "pids").mkdir()
    made = Studio(tmp_path)
    yield made
    for process in made.running:
        kill(process)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_killed_worker_loses_no_frame(studio: Studio) -> None:
    client = studio.denoise("--workers", "2")
    studio.until(3)
    os.kill(studio.pids()[0], signal.SIGKILL)
    studio.ends(client, 0)
    studio.expect_all()
    assert len(studio.pids()) == 3  # the two, and one in place of the dead


def expect_no_frame_twice(studio: Studio) -> None:
    """After a run that was cut off its workers end, and another does only the frames that are missing."""
    wait(lambda: not any(map(is_there, studio.pids())))
    before = studio.inodes()
    assert 3 <= len(before) < COUNT
    studio.ends(studio.denoise("--workers", "2"), 0)
    studio.expect_all()
    assert before.items() <= studio.inodes().items()


@pytest.mark.slow
def test_killed_run_leaves_no_worker_and_the_next_does_no_frame_twice(studio: Studio) -> None:
    client = studio.denoise("--workers", "2")
    studio.until(3)
    client.kill()
    expect_no_frame_twice(studio)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_a_run_of_workers_in_one_line_with_whole_frames_and_a_report(
    studio: Studio, number: signal.Signals, code: int
) -> None:
    client = studio.denoise("--workers", "2", "--report", "report.json")
    studio.until(3)
    os.killpg(client.pid, number) if number == signal.SIGINT else client.send_signal(number)
    studio.ends(client, code, "mcdenoise: stopped")
    done = written(studio.folder)
    assert done == {frame: frame / 2 for frame in done}
    counts = json.loads((studio.folder / "report.json").read_text())["counts"]
    assert set(counts) == {"denoised", "left"}
    wait(lambda: not any(map(is_there, studio.pids())))


@pytest.mark.slow
def test_killed_machine_loses_no_frame_and_relative_names_mean_the_same_there(studio: Studio) -> None:
    address, _ = studio.cluster()
    machines = [studio.worker(address), studio.worker(address)]
    wait(lambda: len(studio.pids()) == 2)
    client = studio.denoise("--cluster", address)
    studio.until(3)
    kill(machines[0])
    studio.ends(client, 0)
    studio.expect_all()


@pytest.mark.slow
def test_killed_worker_loses_no_frame_of_two_halves(
    studio: Studio, noisy_frame: Callable[..., Frame]
) -> None:
    numbers = range(1, 13)
    both = {number: (noisy_frame(number), noisy_frame(100 + number)) for number in numbers}
    for number, halves_of_it in both.items():
        for letter, frame in zip("ab", halves_of_it, strict=True):
            exr.write_frame(studio.folder / f"half.{letter}.{number:04}.exr", frame)
    address, _ = studio.cluster()
    machines = [studio.worker(address), studio.worker(address)]
    wait(lambda: len(studio.pids()) == 2)
    words = ["half.a.####.exr", "--half", "half.b.####.exr", "--frames=1-12", "-o", "out.####.exr", "--quiet"]
    client = studio.start("mcdenoise", *words, "--cluster", address)
    studio.until(3)
    kill(machines[0])
    assert len(studio.inodes()) < len(numbers)
    studio.ends(client, 0)
    for number in numbers:
        read = [exr.read_frame(studio.folder / f"half.{letter}.{number:04}.exr") for letter in "ab"]
        engine = halving_engine.Denoiser()
        mixed, estimate = halves.merge((read[0], read[1]), (engine(read[0]), engine(read[1])))
        result = exr.read_frame(studio.folder / f"out.{number:04}.exr")
        np.testing.assert_array_equal(result.color, mixed.color)
        assert result.attributes["mcdenoise.error"] == pytest.approx(estimate.mean_error)


@pytest.mark.slow
def test_dead_scheduler_is_one_line_and_the_next_run_does_no_frame_twice(studio: Studio) -> None:
    address, scheduler = studio.cluster()
    studio.worker(address)
    client = studio.denoise("--cluster", address)
    studio.until(3)
    kill(scheduler)
    studio.ends(client, 1, f"mcdenoise: --cluster {address}: the scheduler is gone; run it again to go on")
    expect_no_frame_twice(studio)


@pytest.mark.slow
def test_tls_cluster_takes_those_with_its_certificate_only(studio: Studio) -> None:
    files = {name: str(studio.folder / f"{name}.pem") for name in ("cert", "key")}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=farm",
         "-keyout", files["key"], "-out", files["cert"]], check=True, capture_output=True,
    )  # fmt: skip
    refused = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}
    tls = {f"DASK_DISTRIBUTED__COMM__TLS__{role}__{name.upper()}": file
           for role in ("SCHEDULER", "WORKER", "CLIENT") for name, file in files.items()}  # fmt: skip
    studio.more = {**tls, "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": files["cert"]}
    address, _ = studio.cluster("tls")
    studio.worker(address)
    studio.ends(studio.denoise("--cluster", address), 0)
    studio.expect_all()
    studio.more = refused
    stranger = studio.denoise("--cluster", address, "--force", "--strength", "0.5")
    studio.ends(stranger, 2, f"mcdenoise: --cluster {address}: no scheduler answers there")


@pytest.mark.slow
def test_two_workers_give_the_frames_of_one_process(
    tmp_path: Path, noisy_frame: Callable[..., Frame], capsys: pytest.CaptureFixture[str]
) -> None:
    # Two threads that import at once upset jaxtyping's hook (python/cpython#106905).
    for name in ("engine", "selection"):
        importlib.import_module(f"mcdenoise.{name}")
    for number in (1, 2, 3):
        exr.write_frame(tmp_path / f"shot.000{number}.exr", noisy_frame(number))
    (tmp_path / "shot.0002.exr").write_text("no picture")
    words = [str(tmp_path / "shot.####.exr"), "--progress-format", "deadline", "-o"]
    said = []
    for name, flags in (("one", []), ("two", ["--workers", "2"])):
        (tmp_path / name).mkdir()
        assert main([*words, f"{tmp_path}/{name}/", *flags]) == 1
        said.append(capsys.readouterr())
    assert said[0].err == said[1].err
    assert (said[1].out.count("Progress: "), said[1].out.count("shot.000")) == (3, 2)
    one, two = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.name for path in one] == [path.name for path in two]
    assert len(one) == 2
    for first, second in zip(one, two, strict=True):
        np.testing.assert_allclose(exr.read_frame(first).color, exr.read_frame(second).color, rtol=1e-3)


@pytest.mark.slow
def test_model_that_is_not_there_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot(tmp_path, 1, 2, 3)
    assert main([str(tmp_path / "shot.####.exr"), "--workers", "2", "--model", "mine"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("mcdenoise: mine: no such model; shipped are: ")
    assert told.count("\n") == 1


def test_cluster_that_does_not_answer_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot(tmp_path, 1)
    assert main([str(tmp_path / "shot.0001.exr"), "--cluster", "tcp://127.0.0.1:9"]) == 2
    assert "--cluster tcp://127.0.0.1:9: no scheduler answers there" in capsys.readouterr().err


def test_worker_of_another_version_does_nothing(tmp_path: Path) -> None:
    shot(tmp_path, 1)
    job = _jobs.Job(tmp_path / "shot.0001.exr", tmp_path / "out.0001.exr")
    told = _elsewhere._do(job, argparse.Namespace(), "0.0.9")
    assert isinstance(told, _elsewhere._Unfit)
    assert isinstance(told.error, UsageError)
    assert "this is 0.0.9; install one version on all machines" in str(told.error)
    assert not job.target.exists()
