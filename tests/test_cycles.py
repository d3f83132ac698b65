"""Blender as a child: how it is found and asked, what becomes of one that fails; and what Cycles renders."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcdenoise import exr, soundness, views
from mcdenoise.__main__ import main
from mcdenoise.errors import SceneError, UsageError
from mcdenoise.frame import PLANES, Frame
from renderers.backends import _blender, cycles
from renderers.backends._blender import VARIABLE, Child
from renderers.backends._contract import OpenScene, Shot

SHOT = Shot(spp=8, seed=1, filter="box", width=48, height=32)

# Answers like Blender with a file of two cameras and three frames; `{action}` is what it does first.
FAKE = """
import json, shutil, sys, time
mark, path = sys.argv[-2:]
print("Blender 5.0.1", flush=True)
print("half a line", end="", flush=True)
answers = dict(
    open=dict(version="5.0.1", other_cameras=["second"], frame=2, first_frame=1, last_frame=3),
    look=dict(matrix=[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], fov=50.0),
    moving=[1, 3], move=None, render=None,
)
for line in sys.stdin:
    asked = json.loads(line)
    print(line.strip(), file=open({log!r}, "a"))
    {action}
    if asked["do"] == "render":
        shutil.copy({picture!r}, asked["path"])
    if asked["do"] == "cast":
        answers["cast"] = [[2.0, ray % 2, 0.0, 1 - ray % 2] for ray in range(len(asked["directions"]))]
    print("\\n" + mark + json.dumps(dict(done=answers[asked["do"]])), flush=True)
"""


class Fake:
    """A program in Blender's place, and what it was asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.program, self.log, self.scene = folder / "fake.py", folder / "log", folder / "room.blend"
        self.scene.touch()
        self.log.touch()
        self.picture = folder / "picture.exr"
        monkeypatch.setattr(_blender, "PROGRAM", self.program)
        monkeypatch.setenv(VARIABLE, sys.executable)
        self.does("pass")

    def does(self, action: str) -> None:
        """Before each answer, with what is `asked`."""
        text = FAKE.format(action=action, log=str(self.log), picture=str(self.picture))
        self.program.write_text(text)

    @property
    def asked(self) -> str:
        return self.log.read_text()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(tmp_path, monkeypatch)


def render(scene: Path, *flags: str) -> int:
    return main(
        ["render", str(scene), "-o", str(scene.parent / "pairs"), "--quiet", "--size", "16x12", *flags]
    )


def picture(path: Path, **values: float) -> None:
    """All planes as noise within 0..1, or of one value."""
    chance = np.random.default_rng(0)
    planes = {name: np.full((12, 16, count), values[name], np.float32) if name in values
              else chance.random((12, 16, count), np.float32) for name, count in PLANES.items()}  # fmt: skip
    exr.write_frame(path, Frame(planes))


# ---- how Blender is found ----


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing is asked for, no Blender is installed."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(_blender, "find_spec", lambda _: None)
    return monkeypatch


def executable(path: Path) -> str:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_blender_asked_for_comes_before_the_one_installed_and_that_before_our_python(
    tmp_path: Path, bare: pytest.MonkeyPatch
) -> None:
    bare.setattr(_blender, "find_spec", lambda _: object())
    assert _blender.find() == sys.executable
    installed = executable(tmp_path / "blender")
    bare.setenv("PATH", str(tmp_path))
    assert _blender.find() == installed
    asked = executable(tmp_path / "blender-4.2")
    bare.setenv(VARIABLE, asked)
    assert _blender.find() == asked


def test_missing_blender_is_one_line_with_the_cure(
    tmp_path: Path, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "room.blend").touch()
    assert render(tmp_path / "room.blend") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mcdenoise: Blender: not found, and .blend files need it; install Blender 4.2")
    assert "pip install 'bpy==5.0.*'" in line
    assert f"set {VARIABLE} to" in line


@pytest.mark.parametrize("is_there", [False, True])
def test_program_that_cant_be_started_is_refused(
    tmp_path: Path, bare: pytest.MonkeyPatch, is_there: bool
) -> None:
    program = tmp_path / "blender"
    if is_there:
        program.write_bytes(b"\x7fELF")
        program.chmod(0o755)
    bare.setenv(VARIABLE, str(program))
    with pytest.raises(UsageError, match="can't be started: Exec format" if is_there else "no such program"):
        Child(tmp_path / "room.blend")


def test_blender_runs_our_program_and_a_python_runs_it_as_its_own() -> None:
    scene = Path("/shots/room.blend")
    program, rest = str(_blender.PROGRAM), [_blender.MARK, str(scene)]
    words = ["--background", "--factory-startup", "--python", program, "--", *rest]
    assert _blender.command_line("/opt/blender", scene) == ["/opt/blender", *words]
    python = "/venv/bin/python3.11"
    assert _blender.command_line(python, scene) == [python, "-P", program, *rest]


# ---- how it is asked ----


def test_views_are_cameras_then_frames_then_found_by_chance(fake: Fake) -> None:
    scene, seen = cycles.open_file(fake.scene), []
    for view in range(5):
        before = len(fake.asked)
        scene.look(view, np.random.default_rng(view))
        seen.append(fake.asked[before:])
    scene.close()
    own, second, first_frame, third_frame, by_chance = seen
    assert own == '{"do": "look", "frame": 2, "camera": ""}\n'
    assert second == '{"do": "look", "frame": 2, "camera": "second"}\n'
    assert first_frame.endswith('{"do": "look", "frame": 1, "camera": ""}\n')
    assert third_frame == '{"do": "look", "frame": 3, "camera": ""}\n'
    assert by_chance.splitlines()[-1].startswith('{"do": "move"')


def test_camera_that_stays_where_it_is_keeps_its_matrix(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycles.cameras, "find", lambda _, camera, fov, *__, **___: (camera, fov))
    scene = cycles.open_file(fake.scene)
    scene.look(4, np.random.default_rng(0))
    scene.close()
    unmoved = "1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0"
    assert fake.asked.splitlines()[-1].replace("-0.0", "0.0") == (
        f'{{"do": "move", "matrix": [{unmoved}], "fov": 50.0}}'
    )


def test_pairs_are_named_and_described_as_those_of_any_renderer(fake: Fake) -> None:
    picture(fake.picture)
    assert render(fake.scene, "--spp", "4", "--extra-spp", "32", "--views", "1", "--filter", "gaussian") == 0
    found = {path.name: exr.read_frame(path) for path in sorted((fake.scene.parent / "pairs").iterdir())}
    assert list(found) == [f"room.v000.4spp.gaussian.{letter}.exr" for letter in "abcd"]
    assert [frame.attributes["mcdenoise.spp"] for frame in found.values()] == [4, 4, 32, 32]
    assert {str(frame.attributes["mcdenoise.renderer"]) for frame in found.values()} == {"cycles 5.0.1 cpu"}
    assert all(frame.planes.keys() == PLANES.keys() for frame in found.values())
    assert '"pixel_filter": "GAUSSIAN", "size": [16, 12]' in fake.asked


def test_second_run_starts_no_blender(fake: Fake) -> None:
    picture(fake.picture)
    assert render(fake.scene, "--views", "1") == 0
    before = fake.asked
    fake.does("sys.exit(1)")
    assert render(fake.scene, "--views", "1") == 0
    assert fake.asked == before


@pytest.mark.parametrize(
    ("plane", "given", "kept"),
    [("albedo", 61.0, 1.0), ("depth", 4e37, 0.0), ("depth", 7.0, 7.0), ("color", -0.5, 0.0),
     ("color", 97.0, 97.0), ("normal", -0.5, -0.5)],
)  # fmt: skip
def test_planes_are_brought_into_their_range(fake: Fake, plane: str, given: float, kept: float) -> None:
    picture(fake.picture, **{plane: given})
    scene = cycles.open_file(fake.scene)
    frame = scene.render(SHOT)
    scene.close()
    assert (frame.planes[plane] == np.float32(kept)).all()


@pytest.mark.parametrize("name", ["tent", "mitchell"])
def test_filter_that_cycles_hasnt_is_refused_before_blender_starts(
    fake: Fake, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert render(fake.scene, "--filter", f"box,{name}") == 2
    assert capsys.readouterr().err == (
        f"mcdenoise: {fake.scene}: its renderer has no filter {name!r}; "
        "it has: box, gaussian, blackman-harris\n"
    )
    assert not fake.asked


def test_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(tmp_path / "gone.blend") == 3
    assert capsys.readouterr().err == (
        f"mcdenoise: {tmp_path}/gone.blend: no such scene file; give a .blend file\n"
    )


# ---- one that fails ----


@pytest.mark.parametrize(
    ("action", "told", "last_word"),
    [
        ("print('out of\\nmemory', file=sys.stderr); sys.exit(7)",
         "Blender ended (exit code 7) when asked to open; it said last: ", "out of / memory"),
        ("import os; os.kill(os.getpid(), 9)",
         "Blender ended (exit code -9) when asked to open; it said last: ", "Blender 5.0.1"),
        ("print('\\n' + mark + 'not JSON', flush=True)", "Blender's answer isn't understood: ", "not JSON"),
        ("print('\\n' + mark + '[1]', flush=True)", "Blender's answer isn't understood: ", "[1]"),
        ("print('\\n' + mark + json.dumps(dict(error='no\\ngood')), flush=True)",
         "Blender failed to open: ", "no good"),
        ("time.sleep(60)", "Blender was silent for 1 s when asked to open, and was ended; ", "Blender 5.0.1"),
    ],
    ids=["exit", "crash", "garbage", "list", "error", "hang"],
)  # fmt: skip
def test_child_that_fails_is_one_line_and_ends(
    fake: Fake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    action: str,
    told: str,
    last_word: str,
) -> None:
    started: list[subprocess.Popen[str]] = []
    start = _blender._start
    monkeypatch.setattr(_blender, "_start", lambda words: started.append(start(words)) or started[-1])
    monkeypatch.setattr(_blender, "SILENCE_SECONDS", 1)
    monkeypatch.setattr(_blender, "GRACE_SECONDS", 0.2)
    fake.does(action)
    assert render(fake.scene, "--views", "3") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mcdenoise: {fake.scene}: {told}")
    assert all(part in line for part in last_word.split(" / "))  # two streams, in any order
    assert [process.poll() is not None for process in started] == [True]


def test_blender_that_crashes_in_one_view_is_started_anew_for_the_next(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(fake.picture)
    fake.does("if asked.get('camera') == 'second': sys.exit(11)")
    assert render(fake.scene, "--views", "3") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mcdenoise: {fake.scene}: Blender ended (exit code 11) when asked to look; ")
    names = sorted(path.name[:9] for path in (fake.scene.parent / "pairs").glob("*.a.exr"))
    assert names == ["room.v000", "room.v002"]


def test_python_without_bpy_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, sys.executable)
    with pytest.raises(SceneError, match=r"said last: .*No module named 'bpy'"):
        cycles.CyclesScene(tmp_path / "room.blend")


def test_child_ends_when_its_parent_is_killed(fake: Fake) -> None:
    code = (
        "import os, sys; from pathlib import Path; from renderers.backends import _blender\n"
        f"_blender.PROGRAM = Path({str(fake.program)!r})\n"
        f"child = _blender.Child(Path({str(fake.scene)!r})); child.ask('open')\n"
        "print(child._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent.parent
    )
    assert not _runs_after_a_second(int(told.stdout))


def _runs_after_a_second(process: int) -> bool:
    for _ in range(20):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        if Path(f"/proc/{process}/stat").read_text().split()[2] == "Z":
            return False
        subprocess.run(["sleep", "0.05"])
    return True


# ---- Cycles itself ----


@pytest.fixture(scope="module")
def blends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of make_blend.py."""
    try:
        program = _blender.find()
    except UsageError as error:
        pytest.skip(f"needs a Blender: {error}")
    folder = tmp_path_factory.mktemp("blends")
    words = _blender.command_line(program, folder)
    place = words.index(str(_blender.PROGRAM))
    maker = str(Path(__file__).with_name("make_blend.py"))
    subprocess.run([*words[:place], maker, *words[place + 1 :]], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def room(blends: Path) -> Iterator[cycles.CyclesScene]:
    scene = cycles.open_file(blends / "room.blend")
    yield scene
    scene.close()


@pytest.fixture
def own_view(room: cycles.CyclesScene) -> cycles.CyclesScene:
    room.look(0, np.random.default_rng(0))
    return room


@pytest.mark.render
def test_cycles_scene_obeys_the_contract(room: cycles.CyclesScene) -> None:
    assert isinstance(room, OpenScene)
    assert room.renderer.startswith("cycles ")


@pytest.mark.render
@pytest.mark.parametrize("name", cycles.FILTERS)
def test_same_shot_gives_the_same_bytes_whatever_was_rendered_in_between(
    own_view: cycles.CyclesScene, name: str
) -> None:
    shot = replace(SHOT, filter=name)
    first = own_view.render(shot)
    own_view.render(replace(shot, spp=2, seed=9, width=32))
    own_view.look(3, np.random.default_rng(3))
    own_view.render(shot)
    own_view.look(0, np.random.default_rng(0))
    again = own_view.render(shot)
    for plane in PLANES:
        np.testing.assert_array_equal(first.planes[plane], again.planes[plane])


@pytest.mark.render
def test_settings_that_would_spoil_a_pair_are_put_off(blends: Path, own_view: cycles.CyclesScene) -> None:
    busy = cycles.open_file(blends / "busy.blend")
    for view in (0, 1):
        own_view.look(view, np.random.default_rng(0))
        busy.look(view, np.random.default_rng(0))
        # Fewer samples would end before adaptive sampling begins.
        frames = [scene.render(replace(SHOT, spp=64)) for scene in (own_view, busy)]
        for plane in PLANES:
            np.testing.assert_array_equal(frames[0].planes[plane], frames[1].planes[plane])
    busy.close()


@pytest.mark.render
def test_errors_of_both_halves_are_uncorrelated(own_view: cycles.CyclesScene) -> None:
    reference = own_view.render(replace(SHOT, spp=256, seed=3)).color
    a, b = (own_view.render(replace(SHOT, seed=seed)).color for seed in (1, 2))
    errors = [((half - reference) / (reference + 0.05)).mean(axis=2).ravel() for half in (a, b)]
    assert abs(np.corrcoef(errors)[0, 1]) < 0.1
    difference = (a - b).mean(axis=2)
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(difference.size)


@pytest.mark.render
@pytest.mark.parametrize("name", cycles.FILTERS)
def test_pairs_through_any_filter_are_sound(blends: Path, tmp_path: Path, name: str) -> None:
    words = ["-o", str(tmp_path), "--quiet", "--size", "64x64", "--views", "4", "--filter", name]
    assert main(["render", str(blends / "room.blend"), *words]) == 0
    for files in views.find(tmp_path):
        view, faults = views.read(files)
        assert (view.filter, faults) == (name, [])
        assert abs(soundness.correlation_beside(view.frame(0), view.frame(1))) < soundness.SPREAD_LEAST


@pytest.mark.render
def test_guides_say_what_the_pixel_shows(own_view: cycles.CyclesScene) -> None:
    planes = own_view.render(replace(SHOT, spp=16)).planes
    np.testing.assert_allclose(planes["albedo"][24, 38], (0.82, 0.14, 0.09), atol=0.06)  # the matt ball
    assert planes["normal"][24, 38, 2] < 0  # it faces us: z is flipped
    assert 1 < planes["depth"][24, 38, 0] < 3


@pytest.mark.render
def test_views_of_an_animation_differ_and_are_found_again(blends: Path) -> None:
    seen = []
    for order in ((0, 1, 2, 3, 4, 5, 6), (6, 4, 2, 0)):
        scene = cycles.open_file(blends / "moving.blend")
        for view in order:
            scene.look(view, np.random.default_rng(view))
            seen.append(scene.render(replace(SHOT, spp=1, width=32, height=24)).planes["depth"])
        scene.close()
    for view, again in zip((6, 4, 2, 0), seen[7:], strict=True):
        np.testing.assert_array_equal(seen[view], again)
    assert len({depth.tobytes() for depth in seen}) == 7


@pytest.mark.render
def test_nothing_is_changed_or_left_but_pairs(
    blends: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    scene = Path(shutil.copy(blends / "room.blend", tmp_path))
    before = scene.read_bytes()
    assert render(scene, "--views", "3", "--spp", "1") == 0
    assert scene.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs", "room.blend", "temporary"]
    assert list(temporary.iterdir()) == []


@pytest.mark.render
def test_file_without_camera_and_file_that_is_none_are_one_line_each(
    blends: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.blend"
    broken.write_text("hello")
    assert main(["render", str(blends / "blind.blend"), str(broken), "-o", str(tmp_path), "--quiet"]) == 1
    first, second = capfd.readouterr().err.splitlines()
    assert first == (
        f"mcdenoise: {blends}/blind.blend: Blender failed to open: the scene has no camera; "
        "add one, it is where the first view comes from"
    )
    assert second.startswith(f"mcdenoise: {broken}: Blender failed to open: Error: ")
