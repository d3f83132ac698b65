"""What the farms' own readers make of the jobs: Tcl, a JavaScript engine, an XML parser, shells."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mcdenoise.__main__ import main

HERE = Path(__file__).parent
# Every word needs quoting somewhere.
WORDS = [
    "in put/shot.####.exr",
    "--frames=1-9x2",
    "--chunk-size=2",
    "-o",
    "out $x [y]/out.####.exr",
    "--aovs=a b",
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in put").mkdir()
    monkeypatch.chdir(tmp_path)


def export(farm: str, *words: str) -> int:
    return main(["farm", "export", farm, "-o", "job", "--", *words])


def expected(index: int, progress: str) -> list[str]:
    """The command of a task, word by word."""
    here = Path.cwd()
    return [
        "mcdenoise", "denoise", f"{here}/in put/shot.####.exr", "--frames=1-9x2",
        f"--output={here}/out $x [y]/out.####.exr", "--aovs=a b", "--skip-existing",
        f"--progress-format={progress}", "--chunk-size=2", f"--chunk-index={index}",
    ]  # fmt: skip


TRACTOR = """
proc option {words name} { foreach {key value} $words { if {$key eq $name} { return $value } } }
proc Job args { uplevel #0 [option $args -subtasks] }
proc Task {title args} { uplevel #0 [option $args -cmds] }
proc RemoteCmd {launch args} { puts [join $launch \\x1f] }
source [lindex $argv 0]
"""


@pytest.mark.skipif(not shutil.which("tclsh"), reason="no tclsh: apt-get install tcl")
def test_tcl_reads_tractors_tasks_word_by_word() -> None:
    assert export("tractor", *WORDS) == 0
    Path("read.tcl").write_text(TRACTOR)
    told = subprocess.run(
        ["tclsh", "read.tcl", "job/mcdenoise.alf"], capture_output=True, text=True, check=True
    ).stdout
    tasks = [line.split("\x1f") for line in told.splitlines()]
    assert tasks == [expected(index, "alfred") for index in range(3)]


@pytest.mark.skipif(not shutil.which("node"), reason="no node: apt-get install nodejs")
def test_flamencos_job_type_makes_a_task_of_each_chunk() -> None:
    assert export("flamenco", *WORDS) == 0
    told = subprocess.run(
        ["node", str(HERE / "flamenco.mjs"), "job/mcdenoise-sequence.js", "job/job.json"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    tasks = json.loads(told)
    assert [task["name"] for task in tasks] == ["denoise-1,3", "denoise-5,7", "denoise-9"]
    (command,) = tasks[1]["commands"]
    assert (command["name"], command["steps"]) == ("exec", 2)
    parameters, here = command["parameters"], Path.cwd()
    assert parameters["exe"] == "mcdenoise"
    assert parameters["args"] == [
        "denoise", f"{here}/in put/shot.####.exr", "--frames=5,7", "--skip-existing",
        f"--output={here}/out $x [y]/out.####.exr", "--aovs=a b",
    ]  # fmt: skip


def test_opencues_layer_has_a_frame_for_each_chunk_and_its_number_in_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOW", "dragon")
    assert export("opencue", *WORDS) == 0
    spec = ElementTree.parse("job/mcdenoise.xml").getroot()
    assert [child.tag for child in spec if child.tag != "uid"] == ["show", "shot", "user", "job"]
    assert spec.findtext("show") == "dragon"
    (layer,) = spec.iter("layer")
    assert [child.tag for child in layer] == ["cmd", "range", "chunk"]
    assert (layer.findtext("range"), layer.findtext("chunk")) == ("0-2", "1")
    command = (layer.findtext("cmd") or "").replace("#IFRAME#", "2")
    assert shlex.split(command) == expected(2, "none")


def test_deadlines_files_name_the_plugin_and_quote_for_its_splitter() -> None:
    assert export("deadline10", *WORDS) == 0
    job, plugin = (
        dict(line.split("=", 1) for line in Path(f"job/{name}_info.job").read_text().splitlines())
        for name in ("job", "plugin")
    )
    assert (job["Plugin"], job["Frames"], job["ChunkSize"]) == ("CommandLine", "0-2", "1")
    assert plugin["Executable"] == "mcdenoise"
    words = shlex.split(plugin["Arguments"].replace("<STARTFRAME>", "1"))
    assert ["mcdenoise", *words] == expected(1, "deadline")


@pytest.mark.parametrize(
    ("farm", "words"),
    [
        ("tractor", ["{a}.####.exr", "--frames=1"]),
        ("deadline10", ["<a>.####.exr", "--frames=1"]),
        ("deadline10", ['a"b.####.exr', "--frames=1"]),
        ("flamenco", ["a.####.exr", "--frames=-3-5"]),
        ("openjd", ["{{a}}.####.exr", "--frames=1"]),
    ],
)
def test_what_a_farm_would_read_in_its_own_way_is_refused(
    farm: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(farm, *words) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"mcdenoise: farm export {farm}: ")
    assert told.count("\n") == 1
    assert not Path("job").exists()


@pytest.mark.parametrize("farm", ["slurm", "opencue", "flamenco", "deadline10", "tractor"])
def test_farms_without_a_render_step_say_what_does_it(farm: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-o", "job", "--render", "render FRAME", "--", "shot.####.exr", "--frames=1"]
    assert main(["farm", "export", farm, *words]) == 2
    assert f"farm export {farm}: --render: isn't written here; " in capsys.readouterr().err
