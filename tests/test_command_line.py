"""The command line: verbs, the default verb, exit codes, and what denoise writes and prints."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcdenoise import __version__, commands, exr, plugins
from mcdenoise.__main__ import main
from mcdenoise.errors import ModelError
from mcdenoise.frame import Frame

pytest_plugins = ["halving_engine"]
pytestmark = pytest.mark.usefixtures("halving_engine")


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    return save(tmp_path / "frame.exr")


def save(path: Path, value: float = 2.0) -> Path:
    exr.write_frame(path, Frame({"color": np.full((4, 6, 3), value, np.float32)}, {"spp": 8}))
    return path


def child(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mcdenoise", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_denoise_is_the_verb_without_a_verb(frame: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(frame)]) == 0

    out = exr.read_frame(frame.with_name("frame_denoised.exr"))
    assert (out.color == 1).all()
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{frame} -> {frame.parent}/frame_denoised.exr: color RGB, albedo none, ")
    assert printed.out.count("\n") == 1
    assert printed.err == ""


def test_result_says_how_it_was_made(frame: Path, tmp_path: Path) -> None:
    main(["denoise", str(frame), "-o", str(tmp_path / "out.exr"), "--strength", "0.5"])

    attributes = dict(exr.read_frame(tmp_path / "out.exr").attributes)
    assert 0 < attributes.pop("mcdenoise.seconds") < 60
    assert attributes == {
        "spp": 8,
        "mcdenoise.version": __version__,
        "mcdenoise.model": "standard",
        "mcdenoise.quality": "standard",
        "mcdenoise.strength": 0.5,
        "mcdenoise.layers": "color: RGB; albedo: none; normal: none; depth: none",
        "mcdenoise.replaced": 0,
    }


@pytest.mark.parametrize(
    ("file", "layer"),
    [
        ("cycles/interior_5.0.1_A_8spp_seed1.exr", "ViewLayer.Combined."),
        ("cryptomatte/sample_images/cornellBox_CryptoWildcard.0001.exr", ""),
        ("openexr-images/Tiles/GoldenGate.exr", ""),
    ],
)
def test_only_the_color_of_a_real_frame_changes(
    shared_assets: Path, tmp_path: Path, file: str, layer: str
) -> None:
    before = exr.read(shared_assets / "exr" / file)

    assert main([str(before.path), "-o", str(tmp_path / "out.exr"), "--quiet", "--aovs", "none"]) == 0

    after = exr.read(tmp_path / "out.exr")
    for old, new in zip(before.parts, after.parts, strict=True):
        assert (old.name, dict(old.types), old.window) == (new.name, dict(new.types), new.window)
        header = [raw for raw in new.head.attributes if not raw.name.startswith(b"mcdenoise.")]
        assert header == list(old.head.attributes)
        for name, pixels in old.pixels.items():
            color = name in {f"{layer}{channel}" for channel in "RGB"}
            expected = (pixels.astype(np.float32) / 2).astype(pixels.dtype) if color else pixels
            assert new.pixels[name].tobytes() == expected.tobytes()


def test_replaced_values_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(save(tmp_path / "nan.exr", value=np.nan))])

    assert "24 pixels of NaN or Inf replaced" in capsys.readouterr().out


def test_quiet_prints_nothing(frame: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([str(frame), "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


def test_existing_result_is_overwritten_only_by_force(
    frame: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = frame.with_name("frame_denoised.exr")
    target.write_bytes(b"precious")

    assert main([str(frame)]) == 1
    assert target.read_bytes() == b"precious"
    assert capsys.readouterr().err == f"mcdenoise: {target}: exists; --force overwrites it\n"
    assert main([str(frame), "--force"]) == 0
    assert (exr.read_frame(target).color == 1).all()


@pytest.mark.parametrize("through", ["path", "link"])
def test_frame_never_overwrites_itself(frame: Path, through: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = frame.read_bytes()
    target = frame
    if through == "link":
        target = frame.with_name("link.exr")
        target.symlink_to(frame)

    assert main([str(frame), "-o", str(target), "--force"]) == 2
    assert frame.read_bytes() == before
    assert "would overwrite its own input" in capsys.readouterr().err


def test_many_frames_go_into_a_folder_under_their_numbers(tmp_path: Path) -> None:
    frames = [save(tmp_path / f"shot.{i:04}.exr", i) for i in (1, 2)]
    (tmp_path / "clean").mkdir()

    assert main([*map(str, frames), "-o", str(tmp_path / "clean")]) == 0

    results = sorted((tmp_path / "clean").iterdir())
    assert [p.name for p in results] == ["shot_denoised.0001.exr", "shot_denoised.0002.exr"]
    assert [exr.read_frame(p).color.mean() for p in results] == [0.5, 1.0]


def test_one_bad_frame_does_not_stop_the_rest(frame: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = frame.with_name("bad.exr")
    bad.write_text("no picture")
    last = save(frame.with_name("last.exr"))

    assert main([str(frame), str(bad), str(last)]) == 1

    assert frame.with_name("frame_denoised.exr").exists()
    assert last.with_name("last_denoised.exr").exists()
    assert not bad.with_name("bad_denoised.exr").exists()
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 2
    assert printed.err == (
        f"mcdenoise: {bad}: not an OpenEXR file; give an .exr file\nmcdenoise: 1 of 3 frames failed: {bad}\n"
    )


@pytest.mark.parametrize(
    ("names", "code"),
    [(["no.exr"], 3), (["no.exr", "none.exr"], 3), (["frame.exr", "no.exr"], 1), (["no.exr", "bad.exr"], 1)],
)
def test_exit_code_is_that_of_the_failures_or_one_where_some_succeed_or_they_differ(
    frame: Path, names: list[str], code: int
) -> None:
    frame.with_name("bad.exr").write_text("no picture")

    assert main([str(frame.with_name(name)) for name in names]) == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frame.exr", "--strength", "1.5"], "argument --strength: 1.5 isn't from 0 to 1"),
        (["frame.exr", "--strength", "nan"], "argument --strength: nan isn't from 0 to 1"),
        (["frame.exr", "--strength", "much"], "argument --strength: 'much' isn't a number"),
        (
            ["frame.exr", "--half", "b.exr", "--strength", "auto"],
            "--strength auto: two halves tell the best mix",
        ),
        (["frame.exr", "--tile", "0"], "argument --tile: '0' isn't a number of pixels"),
        (["frame.exr", "--device", "tpu"], "argument --device: invalid choice: 'tpu'"),
        (["frame.exr", "--colour", "x"], "unrecognized arguments: --colour"),
        (
            ["frame.exr", "-o", "out.png"],
            "-o out.png: neither a folder that exists nor a name ending in .exr",
        ),
        (["a.exr", "b.exr", "-o", "out.exr"], "out.exr: would be the result of a.exr and b.exr"),
        (["denoise"], "the following arguments are required: FRAME.exr"),
        (["denoyse", "frame.exr"], "no verb and no file 'denoyse'; the verbs are: demo, denoise"),
    ],
)
def test_wrong_use_is_one_line_and_code_two(
    frame: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(frame.parent)

    assert main(arguments) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"mcdenoise: {said}")
    assert printed.err.count("\n") == 1
    assert [p.name for p in frame.parent.iterdir()] == ["frame.exr"]


def test_help_lists_every_verb_and_nothing_heavy_is_imported() -> None:
    told = run_and_list_modules("--help")

    for verb in plugins.names(commands):
        assert f"\n  {verb}" in told["out"]
        assert plugins.load(commands, verb).HELP in told["out"]
    heavy = {"torch", "mitsuba", "tensorboard", "skimage", "scipy"} & set(told["modules"])
    assert not heavy, f"imported by --help: {heavy}"


@pytest.mark.parametrize("arguments", [["--version"], ["denoise", "--help"], ["inspect", "--help"]])
def test_what_prints_text_only_does_not_import_openexr(arguments: list[str]) -> None:
    assert not {"torch", "OpenEXR"} & set(run_and_list_modules(*arguments)["modules"])


def run_and_list_modules(*arguments: str) -> dict[str, Any]:
    """What `main` prints, and the modules that are there afterwards, in a fresh Python."""
    code = (
        "import contextlib, io, json, sys\n"
        "from mcdenoise.__main__ import main\n"
        "out = io.StringIO()\n"
        "with contextlib.redirect_stdout(out):\n"
        "    with contextlib.suppress(SystemExit):\n"
        f"        main({list(arguments)!r})\n"
        "print(json.dumps({'out': out.getvalue(), 'modules': sorted(sys.modules)}))\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules: dict[str, Any] = json.loads(told.stdout)
    return modules


@pytest.mark.parametrize("verb", plugins.names(commands))
def test_every_verb_explains_itself_with_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])

    assert ended.value.code == 0
    assert f"mcdenoise {verb}" in capsys.readouterr().out.partition("examples:")[2] or verb == "denoise"


def test_process_calls_what_is_to_be_called_at_its_end_and_keeps_its_exit_code() -> None:
    code = (
        "import atexit, sys, mcdenoise.__main__ as command\n"
        "atexit.register(print, 'the end')\n"
        "sys.argv = ['mcdenoise', 'nothing-of-this-name.exr']\n"
        "command.process()\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (told.returncode, told.stdout) == (3, "the end\n")


def test_no_arguments_print_the_help_as_wrong_use() -> None:
    told = child()

    assert told.returncode == 2
    assert "verbs:" in told.stdout


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mcdenoise {__version__}\n"


def test_verbose_shows_the_traceback_of_an_error(tmp_path: Path) -> None:
    told = child("-v", str(tmp_path / "no.exr")), child(str(tmp_path / "no.exr"))

    assert [t.returncode for t in told] == [3, 3]
    assert ["Traceback" in t.stderr for t in told] == [True, False]


def test_model_that_is_not_there_stops_everything_with_one_line(
    frame: Path, halving_engine: type, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_model(*_: object, **__: object) -> None:
        raise ModelError("x: no such model; there is: standard")

    monkeypatch.setattr(halving_engine, "__init__", no_model)

    assert main([str(frame), str(save(frame.with_name("b.exr")))]) == 1
    assert capsys.readouterr() == ("", "mcdenoise: x: no such model; there is: standard\n")


def test_interrupt_ends_with_code_130(
    frame: Path, halving_engine: type, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(halving_engine, "__call__", interrupted)
    # Started in the background of a script, Python finds SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main([str(frame)]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "mcdenoise: stopped\n"
    assert [p.name for p in frame.parent.iterdir()] == ["frame.exr"]


def test_closed_pipe_is_quiet(frame: Path) -> None:
    command = f"{sys.executable} -m mcdenoise inspect {frame} --json | true"
    told = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)

    assert told.stderr == ""


def test_command_lets_threads_that_wait_sleep_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    main(["inspect", str(tmp_path / "none.exr")])
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    main(["inspect", str(tmp_path / "none.exr")])
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
