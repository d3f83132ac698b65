"""`mcdenoise farm export`: what the vendors' own tools make of it."""

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import slurm

from mcdenoise import exr, plugins
from mcdenoise.__main__ import main
from mcdenoise.commands import _farms
from mcdenoise.frame import Frame

# Beside this Python, where `make` installs it, unless it is said to be elsewhere.
OPENJD = os.environ.get("MCDENOISE_OPENJD") or shutil.which("openjd", path=Path(sys.executable).parent)
# A Python of its own that has opencue-pycue and opencue-rqd; where `make` installs it, unless said.
OPENCUE = os.environ.get("MCDENOISE_OPENCUE") or shutil.which(
    "python", path=Path(__file__).parent.parent / ".tools" / "opencue" / "bin"
)


def save(path: Path, value: float = 2.0, *, size: int = 16) -> None:
    path.parent.mkdir(exist_ok=True)
    exr.write_frame(path, Frame({"color": np.full((size, size, 3), value, np.float32)}))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with our own mcdenoise first on the PATH."""
    program = tmp_path / "bin" / "mcdenoise"
    program.parent.mkdir()
    root = Path(__file__).parent.parent
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(root))} exec {sys.executable} -m mcdenoise "$@"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(farm: str, *words: str, render: str = "") -> int:
    rendered = ["--render", render] if render else []
    return main(["farm", "export", farm, "-o", "job", *rendered, "--", *words])


def openjd(*words: str, code: int = 0) -> str:
    if not OPENJD:
        pytest.skip("no openjd: pip install openjd-cli, or name it in MCDENOISE_OPENJD")
    told = subprocess.run([OPENJD, *words], capture_output=True, text=True, timeout=280)
    assert told.returncode == code, told.stdout + told.stderr
    return told.stdout


@pytest.mark.parametrize("farm", plugins.names(_farms))
def test_every_farm_gets_absolute_paths_and_the_flags_that_were_given(
    here: Path, farm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save(here / "guides.exr")
    flags = ["--strength", "0.5", "--keep-noisy", "--albedo", "guides.exr::A"]
    assert export(farm, "in/shot.####.exr", "--frames", "1-9x2", "-o", "out.####.exr", *flags) == 0
    texts = "".join(path.read_text() for path in (here / "job").iterdir())
    for word in ("--strength=0.5", "--keep-noisy", f"--albedo={here}/guides.exr::A", f"{here}/in"):
        assert word in texts
    assert "--skip-existing" in texts
    assert capsys.readouterr().out.splitlines()[-1].startswith("then: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shot.####.exr"], "farm export: give one sequence and its frames"),
        (["shot.0001.exr", "--frames", "1"], "farm export: give one sequence and its frames"),
        (["shot.####.exr", "--frames", "1-9:2"], "--frames 1-9:2: ':' is a step"),
        (
            ["shot.####.exr", "--frames", "1", "--strngth", "1"],
            "farm export: after --: unrecognized arguments",
        ),
        (["shot.####.exr", "--frames", "1", "--report", "r.json"], "farm export: --report: isn't for"),
        (["shot.####.exr", "--frames", "1-2", "-o", "out.exr"], "out.exr: would be the result of"),
    ],
)
def test_what_no_task_could_do_is_refused_at_export(
    here: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("slurm", *words) == 2
    assert capsys.readouterr().err.startswith(f"mcdenoise: {said}")
    assert not (here / "job").exists()


def test_more_tasks_than_slurm_takes_are_refused_with_the_cure(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["shot.####.exr", "--frames", "1-30000"]
    assert main(["farm", "export", "slurm", "-o", "/nowhere/job", "--", *words]) == 2
    assert (
        "1200 tasks, and Slurm takes 1001 by default; give --chunk-size 30 or more" in capsys.readouterr().err
    )


def test_render_command_that_names_no_frame_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert export("openjd", "shot.####.exr", "--frames", "1", render="blender -b a.blend") == 2
    assert "nowhere says FRAME" in capsys.readouterr().err


@pytest.mark.parametrize("frames", ["1", "1-9x2", "-5--1", "1-1000", "1,3,4-6"])
@pytest.mark.parametrize("render", ["", "render --frame FRAME"])
def test_openjd_accepts_the_template_and_counts_its_tasks(here: Path, frames: str, render: str) -> None:
    export("openjd", "in/shot.####.exr", f"--frames={frames}", "-o", "clean/", render=render)
    assert "passes validation checks" in openjd("check", "job/template.json")
    folders = ["-p", f"InputFolder={here}/in", "-p", f"OutputFolder={here}/clean"]
    told = json.loads(openjd("summary", "job/template.json", "--output", "json", *folders))
    count = {"1": 1, "1-9x2": 5, "-5--1": 5, "1-1000": 1000, "1,3,4-6": 5}[frames]
    chunks = -(-count // _farms.CHUNK)
    assert told["total_tasks"] == chunks + (count if render else 0)


def test_openjd_would_notice_a_template_that_is_wrong(here: Path) -> None:
    export("openjd", "in/shot.####.exr", "--frames", "1-5", render="render FRAME")
    path = here / "job" / "template.json"
    path.write_text(path.read_text().replace('"dependsOn": "Render"', '"dependsOn": "Rendr"'))
    openjd("check", str(path), code=1)


@pytest.mark.slow
def test_openjd_renders_then_denoises_and_a_second_run_denoises_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(here / "noisy.exr")
    (here / "in").mkdir()
    (here / "clean").mkdir()
    render = f"cp -n {here}/noisy.exr {here}/in/shot.000FRAME.exr"
    export("openjd", "in/shot.####.exr", "--frames", "1-3", "--chunk-size", "2", "-o", "clean/out.####.exr",
           render=render)  # fmt: skip
    then = shlex.split(capsys.readouterr().out.splitlines()[-1].removeprefix("then: "))
    said = openjd(*then[1:])
    results = sorted((here / "clean").iterdir())
    assert [path.name for path in results] == ["out.0001.exr", "out.0002.exr", "out.0003.exr"]
    assert said.count("openjd_progress: 100.0") == 2
    assert abs(exr.read_frame(results[0]).color.mean() - 2) < 0.2
    before = [path.stat().st_ino for path in results]
    assert openjd(*then[1:]).count("is there already") == 3
    assert [path.stat().st_ino for path in results] == before


@pytest.mark.slow
def test_openjd_task_with_a_bad_frame_fails_says_so_and_does_the_others(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3):
        save(here / "in" / f"shot.000{number}.exr")
    (here / "in" / "shot.0002.exr").write_text("no picture")
    (here / "clean").mkdir()
    export("openjd", "in/shot.####.exr", "--frames", "1-3", "-o", "clean/out.####.exr")
    then = shlex.split(capsys.readouterr().out.splitlines()[-1].removeprefix("then: "))
    said = openjd(*then[1:], code=1)
    assert f"openjd_fail: {here}/in/shot.0002.exr: not an OpenEXR file" in said
    assert [path.name for path in sorted((here / "clean").iterdir())] == ["out.0001.exr", "out.0003.exr"]


@pytest.mark.slow
def test_slurm_script_does_its_chunk(here: Path) -> None:
    """As Slurm runs it: a shell, and the number of the task in the environment."""
    for number in range(1, 4):
        save(here / "in put" / f"shot.000{number}.exr")
    (here / "clean").mkdir()
    export("slurm", "in put/shot.####.exr", "--frames", "1-3", "--chunk-size", "2", "-o", "clean/")
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": "1"}
    subprocess.run(["sh", "job/mcdenoise.sbatch"], env=environment, check=True, timeout=100)
    assert [path.name for path in (here / "clean").iterdir()] == ["shot_denoised.0003.exr"]


@pytest.mark.slow
def test_real_slurm_does_every_chunk_and_a_bad_frame_fails_its_own_task_only(here: Path) -> None:
    if reason := slurm.lacking():
        pytest.skip(reason)
    for number in range(1, 5):
        save(here / "in" / f"shot.000{number}.exr")
    (here / "in" / "shot.0003.exr").write_text("no picture")
    (here / "clean").mkdir()
    export("slurm", "in/shot.####.exr", "--frames", "1-4", "--chunk-size", "2", "-o", "clean/out.####.exr")
    with slurm.cluster(here / "slurm") as running:
        command = ["sbatch", "--wait", "job/mcdenoise.sbatch"]
        told = subprocess.run(command, env=running.environment, capture_output=True, text=True, timeout=280)
    assert told.returncode == 1, told
    assert [path.name for path in sorted((here / "clean").iterdir())] == [
        "out.0001.exr", "out.0002.exr", "out.0004.exr",
    ]  # fmt: skip
    logs = [path.read_text() for path in sorted(here.glob("mcdenoise-*.log"))]
    assert ["1 of 2 frames failed" in log for log in logs] == [False, True]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_real_slurm_does_every_frame_though_a_node_dies_in_the_middle(here: Path) -> None:
    if reason := slurm.lacking():
        pytest.skip(reason)
    count = 24
    for number in range(1, count + 1):
        save(here / "in" / f"shot.{number:04}.exr", size=192)
    (here / "clean").mkdir()
    export("slurm", "in/shot.####.exr", f"--frames=1-{count}", "--chunk-size=12", "-o", "clean/out.####.exr")
    with slurm.cluster(here / "slurm") as running:
        command = ["sbatch", "--wait", "job/mcdenoise.sbatch"]
        waiting = subprocess.Popen(command, env=running.environment, stdout=subprocess.DEVNULL)
        slurm.wait(lambda: len(list(here.glob("clean/out.*.exr"))) >= 4, seconds=250)
        running.kill_node("n2")
        before = {path: path.stat().st_ino for path in here.glob("clean/out.*.exr")}
        assert waiting.wait(timeout=300) == 0
        said = (here / "slurm" / "slurmctld.log").read_text()
    assert "due to failure of node n2" in said
    assert len(before) < count
    after = {path: path.stat().st_ino for path in here.glob("clean/out.*.exr")}
    assert sorted(path.name for path in after) == [f"out.{number:04}.exr" for number in range(1, count + 1)]
    assert before.items() <= after.items()
    assert all(abs(exr.read_frame(path).color.mean() - 2) < 0.2 for path in after)


@pytest.mark.slow
@pytest.mark.skipif(not OPENCUE, reason="no pycue and rqd: make .tools/opencue/installed")
def test_real_pycue_and_rqd_run_a_frame_of_opencue_for_each_chunk(here: Path) -> None:
    for number in range(1, 5):
        save(here / "in" / f"shot.000{number}.exr")
    (here / "in" / "shot.0003.exr").write_text("no picture")
    (here / "clean").mkdir()
    (here / "cue").mkdir()
    export("opencue", "in/shot.####.exr", "--frames=1-4", "--chunk-size=2", "-o", "clean/out.####.exr")
    stub = str(Path(__file__).with_name("cuebot.py"))
    command = [str(OPENCUE), stub, "job/mcdenoise.xml", str(here / "cue")]
    told = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {"0000-denoise": 0, "0001-denoise": 1}
    assert [path.name for path in sorted((here / "clean").iterdir())] == [
        "out.0001.exr", "out.0002.exr", "out.0004.exr",
    ]  # fmt: skip
