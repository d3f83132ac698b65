"""The harness without a renderer: plans, pairs and their files, what it says when something is wrong."""

import itertools
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mcdenoise import exr, views
from mcdenoise.__main__ import main
from mcdenoise.errors import ExrError, SceneError
from mcdenoise.frame import Frame
from renderers import pairs, rendering
from renderers.backends import _variant, mitsuba
from renderers.backends._contract import Shot, scene_name
from renderers.pairs import Job

CORNER = Path(__file__).parent.parent / "examples" / "scenes" / "corner.xml"


class Imagined:
    """A scene without a renderer: noise of the shot's seed; views above `last_view` show nothing."""

    renderer = "imagined 1.0"

    def __init__(self, name: str = "room", last_view: int = 100) -> None:
        self.name, self.last_view = name, last_view
        self.shots: list[Shot] = []
        self.changes: list[int | None] = []
        self.closed = False
        self.spoiled = ""  # the plane that the second render puts a NaN into

    def look(self, view: int, chance: np.random.Generator) -> None:
        if view > self.last_view:
            raise SceneError(f"{self.name}: nothing to see")
        self._place = int(chance.integers(2**30))

    def change(self, chance: np.random.Generator | None) -> None:
        self.changes.append(int(chance.integers(2**30)) if chance else None)

    def render(self, shot: Shot) -> Frame:
        self.shots.append(shot)
        size = (shot.height, shot.width)
        noise = np.random.default_rng([shot.seed, self._place]).exponential(size=(*size, 3))
        planes = {"color": noise, "albedo": np.full((*size, 3), 0.5), "normal": np.zeros((*size, 3)),
                  "depth": np.ones((*size, 1))}  # fmt: skip
        if self.spoiled and len(self.shots) == 2:
            planes[self.spoiled][0, 0, 0] = np.nan
        return Frame({name: plane.astype(np.float32) for name, plane in planes.items()})

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def imagined(monkeypatch: pytest.MonkeyPatch) -> Imagined:
    """Every scene file is opened as this scene."""
    scene = Imagined()
    monkeypatch.setattr(mitsuba, "open_file", lambda _: scene)
    return scene


def plan(folder: Path, *, views: int = 1, spps: tuple[int, ...] = (4,), seed: int = 1) -> list[Job]:
    return pairs.plan(
        "room", folder, views=range(views), spps=spps, filters=("box",), size=(16, 12), seed=seed
    )


def render(folder: Path, *flags: str, scene: Path | str = "room.xml") -> int:
    return main(["render", str(scene), "-o", str(folder), "--quiet", "--size", "16x12", *flags])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# ---- names and plans ----


def test_pair_is_named_after_scene_view_spp_and_filter(tmp_path: Path) -> None:
    names = [path.name for path in plan(tmp_path)[0].paths]
    assert names == ["room.v000.4spp.box.a.exr", "room.v000.4spp.box.b.exr"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("scenes/kitchen.xml", "kitchen"),
        ("kitchen/scene_m3.xml", "kitchen"),
        ("kitchen/scene.xml", "kitchen"),
    ],
)
def test_scene_is_named_after_its_file_or_the_folder_that_is_the_scene(path: str, name: str) -> None:
    assert scene_name(Path(path)) == name


def test_plan_is_the_same_for_the_same_seed_and_whatever_other_views_are_asked_for(tmp_path: Path) -> None:
    whole = plan(tmp_path, views=8, spps=(2, 4, 8))
    assert whole == plan(tmp_path, views=8, spps=(2, 4, 8))
    assert whole[:3] == plan(tmp_path, views=3, spps=(2, 4, 8))
    assert whole != plan(tmp_path, views=8, spps=(2, 4, 8), seed=2)


def test_views_draw_from_all_that_is_asked_for_as_they_always_did(tmp_path: Path) -> None:
    jobs = pairs.plan("kitchen", tmp_path, views=range(8), spps=(2, 4, 8), filters=("box", "gaussian"),
                      size=(8, 8), seed=1)  # fmt: skip
    drawn = [f"{job.shot.spp} {job.shot.filter}" for job in jobs]
    assert drawn == ["2 box", "4 gaussian", "2 gaussian", "2 gaussian", "2 gaussian", "8 gaussian", "2 box",
                     "8 box"]  # fmt: skip


def test_no_two_renders_of_other_spp_filter_seed_view_or_scene_share_noise(tmp_path: Path) -> None:
    asked = itertools.product(("kitchen", "car"), (4, 8), ("box", "tent"), (1, 2))
    jobs = [job for scene, spp, name, seed in asked
            for job in pairs.plan(scene, tmp_path, views=range(3), spps=(spp,), filters=(name,), size=(8, 8),
                                  seed=seed)]  # fmt: skip
    seeds = [job.shot.seed + half for job in jobs for half in range(2)]
    assert len(set(seeds)) == len(seeds) == 96


# ---- pairs on disk ----


def test_header_says_all_that_makes_the_pair(tmp_path: Path) -> None:
    (job,) = plan(tmp_path)
    pairs.render(Imagined(), job, camera_seed=1)
    halves = [exr.read_frame(path).attributes for path in job.paths]
    for half, attributes in enumerate(halves):
        ours = {key: value for key, value in attributes.items() if key.startswith("mcdenoise.")}
        assert ours == {"mcdenoise.scene": "room", "mcdenoise.view": 0, "mcdenoise.spp": 4,
                        "mcdenoise.seed": job.shot.seed + half, "mcdenoise.filter": "box",
                        "mcdenoise.renderer": "imagined 1.0", "mcdenoise.changed": 0,
                        "mcdenoise.guides": "followed"}  # fmt: skip


def test_cleaner_renders_come_as_c_and_d_with_noise_of_their_own(tmp_path: Path, imagined: Imagined) -> None:
    assert render(tmp_path, "--spp", "4", "--extra-spp", "32", "--views", "1") == 0
    found = {path.name: exr.read_frame(path) for path in sorted(tmp_path.iterdir())}
    assert list(found) == [f"room.v000.4spp.box.{letter}.exr" for letter in "abcd"]
    assert [frame.attributes["mcdenoise.spp"] for frame in found.values()] == [4, 4, 32, 32]
    assert len({frame.attributes["mcdenoise.seed"] for frame in found.values()}) == 4
    assert len({frame.color.tobytes() for frame in found.values()}) == 4


def test_a_share_of_the_views_gets_a_clean_render_that_training_does_not_take(
    tmp_path: Path, imagined: Imagined
) -> None:
    assert render(tmp_path, "--views", "12", "--clean-spp", "500", "--clean-share", "0.4") == 0
    clean = sorted(tmp_path.glob("*.clean.exr"))
    assert 1 < len(clean) < 10
    assert exr.read_frame(clean[0]).attributes["mcdenoise.spp"] == 500
    assert {len(files.paths) for files in views.find(tmp_path)} == {2}
    before = contents(tmp_path)
    assert render(tmp_path, "--views", "12", "--clean-spp", "500", "--clean-share", "0.4") == 0
    assert contents(tmp_path) == before


def test_a_share_of_the_views_gets_other_lights_and_materials_but_never_the_first(
    tmp_path: Path, imagined: Imagined
) -> None:
    assert render(tmp_path, "--views", "20", "--changed-share", "0.5") == 0
    assert imagined.changes[0] is None
    changed = [change for change in imagined.changes if change is not None]
    assert 4 < len(changed) < 16
    assert len(set(changed)) == len(changed)
    told = [exr.read_frame(path).attributes["mcdenoise.changed"] for path in sorted(tmp_path.glob("*.a.exr"))]
    assert told == [int(change is not None) for change in imagined.changes]


def test_changes_dont_change_what_else_is_drawn(tmp_path: Path) -> None:
    asked = {"views": range(8), "spps": (2, 4, 8), "filters": ("box", "tent"), "size": (8, 8), "seed": 1}
    plain, changed = (
        pairs.plan("kitchen", tmp_path, **asked, changed_share=share)  # type: ignore[arg-type]
        for share in (0.0, 1.0)
    )
    assert [job.shot for job in plain] == [job.shot for job in changed]
    assert [job.is_changed for job in changed] == [False] + [True] * 7


def test_cleaner_renders_are_added_to_a_pair_that_is_there(tmp_path: Path, imagined: Imagined) -> None:
    assert render(tmp_path, "--spp", "4", "--views", "1") == 0
    before = contents(tmp_path)
    assert render(tmp_path, "--spp", "4", "--extra-spp", "32", "--views", "1") == 0
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    assert len(after) == 4


def test_halves_are_renders_from_the_seeds_that_their_headers_name(tmp_path: Path) -> None:
    (job,), scene = plan(tmp_path), Imagined()
    pairs.render(scene, job, camera_seed=1)
    a, b = (exr.read_frame(path) for path in job.paths)
    assert [frame.attributes["mcdenoise.seed"] for frame in (a, b)] == [shot.seed for shot in scene.shots]
    assert (a.color != b.color).all()


def test_second_run_renders_nothing(
    tmp_path: Path, imagined: Imagined, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render(tmp_path, "--views", "3") == 0
    before, shots = contents(tmp_path), len(imagined.shots)
    assert render(tmp_path, "--views", "3") == 0
    assert contents(tmp_path) == before
    assert len(imagined.shots) == shots == 6
    assert capsys.readouterr().out.splitlines()[-1] == f"{tmp_path}: 3 pairs were there, 0 rendered, 0 failed"


@pytest.mark.parametrize("half", [0, 1])
def test_half_that_was_deleted_comes_back_the_same(tmp_path: Path, imagined: Imagined, half: int) -> None:
    render(tmp_path, "--views", "2")
    before = contents(tmp_path)
    plan(tmp_path, spps=(8,))[0].paths[half].unlink()
    assert render(tmp_path, "--views", "2") == 0
    assert contents(tmp_path) == before


@pytest.mark.parametrize("left", [0, 1])
def test_half_of_another_run_never_becomes_part_of_a_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    (of_seed_1,), (of_seed_2,) = plan(tmp_path, seed=1), plan(tmp_path, seed=2)
    pairs.render(Imagined(), of_seed_1, camera_seed=1)
    of_seed_1.paths[1 - left].unlink()

    written: list[Path] = []

    def killed_at_the_second(path: Path, frame: Frame) -> None:
        if written:
            raise KeyboardInterrupt
        exr.write_frame(path, frame)
        written.append(path)

    with monkeypatch.context() as patch:
        patch.setattr(pairs, "exr", SimpleNamespace(write_frame=killed_at_the_second))
        with pytest.raises(KeyboardInterrupt):
            pairs.render(Imagined(), of_seed_2, camera_seed=1)
    assert not of_seed_2.is_done
    pairs.render(Imagined(), of_seed_2, camera_seed=1)
    seeds = [exr.read_frame(path).attributes["mcdenoise.seed"] for path in of_seed_2.paths]
    assert seeds == [of_seed_2.shot.seed, of_seed_2.shot.seed + 1]


@pytest.mark.parametrize("plane", ["color", "albedo", "normal", "depth"])
def test_view_that_holds_nan_is_left_out_whole_and_told(
    tmp_path: Path, imagined: Imagined, capsys: pytest.CaptureFixture[str], plane: str
) -> None:
    imagined.spoiled = plane
    assert render(tmp_path, "--views", "2") == 1
    told = capsys.readouterr()
    assert told.err == (
        f"mcdenoise: {tmp_path}/room.v000.8spp.box.b.exr: the renderer put NaN or Inf into {plane}; "
        "this view is left out (and would be again)\n"
    )
    assert told.out == f"{tmp_path}: 0 pairs were there, 1 rendered, 1 failed\n"
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "room.v001.8spp.box.a.exr", "room.v001.8spp.box.b.exr"]  # fmt: skip


def test_view_without_a_camera_doesnt_stop_the_others(
    tmp_path: Path, imagined: Imagined, capsys: pytest.CaptureFixture[str]
) -> None:
    imagined.last_view = 1
    assert render(tmp_path, "--views", "4") == 1
    assert capsys.readouterr().err == "mcdenoise: room: nothing to see\n" * 2
    assert len(contents(tmp_path)) == 4


def test_full_disk_stops_with_one_line_and_half_a_pair_that_doesnt_count(
    tmp_path: Path, imagined: Imagined, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, frame: Frame) -> None:
        if path.name.endswith("v001.8spp.box.b.exr"):
            raise ExrError(f"{path}: can't be written: No space left on device; free some space")
        exr.write_frame(path, frame)

    monkeypatch.setattr(pairs, "exr", SimpleNamespace(write_frame=full))
    assert render(tmp_path, "--views", "3") == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.undo()
    jobs = plan(tmp_path, views=3, spps=(8,))
    assert [job.is_done for job in jobs] == [True, False, False]


# ---- what is refused ----


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--spp", "0"], "render: --spp 0: there must be at least 1 sample per pixel"),
        (["--spp", "4,0"], "render: --spp 4,0: there must be at least 1 sample per pixel"),
        (["--changed-share", "1.5"], "render: --changed-share 1.5: it is from 0 to 1"),
        (["--clean-share", "2"], "render: --clean-spp can't be negative, --clean-share is from 0 to 1"),
        (["--extra-spp", "0"], "render: --extra-spp 0: there must be at least 1 sample per pixel"),
        (["--spp", "abc"], "render: --spp 'abc': write it as 8, or 4,8,16"),
        (["--spp", "4,"], "render: --spp '4,': write it as 8, or 4,8,16"),
        (["--size", "1x1"], "render: --size 1x1 is too small; 8x8 is the least"),
        (["--size=-9x16"], "render: --size -9x16 is too small; 8x8 is the least"),
        (["--size", "large"], "render: --size 'large': write it as 256x256"),
        (["--size", "16"], "render: --size '16': write it as 256x256"),
        (
            ["--filter", "lanczos"],
            "render: no filter 'lanczos'; there is: box, gaussian, blackman-harris, tent, mitchell",
        ),
        (
            ["--filter", "box,"],
            "render: no filter ''; there is: box, gaussian, blackman-harris, tent, mitchell",
        ),
        (["--views", "0"], "render: --views 0: there must be at least 1"),
        (["--views", "many"], "argument --views: invalid int value: 'many'; see `mcdenoise render --help`"),
        (["--seed", "-1"], "render: --seed can't be negative"),
        (["--camera-seed", "-1"], "render: --camera-seed can't be negative"),
        (["--procedural", "2"], "render: give scene files, or --procedural N (see mcdenoise render --help)"),
        (["--environments", "nowhere"], "--environments nowhere: no such folder, or no .exr in it"),
    ],
)
def test_impossible_setting_is_one_line_and_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    out = tmp_path / "pairs"
    assert main(["render", "room.xml", "-o", str(out), *flags]) == 2
    assert capsys.readouterr().err == f"mcdenoise: {told}\n"
    assert not out.exists()


def test_file_that_no_renderer_opens_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "room.obj", "-o", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "mcdenoise: room.obj: no renderer opens this; give a scene file of these kinds: .blend, .xml\n"
    )


def test_filter_that_its_renderer_lacks_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", "room.blend", "-o", str(tmp_path), "--filter", "tent"]) == 2
    assert capsys.readouterr().err == (
        "mcdenoise: room.blend: its renderer has no filter 'tent'; it has: box, gaussian, blackman-harris\n"
    )


def test_scene_is_closed_whatever_became_of_its_views(tmp_path: Path, imagined: Imagined) -> None:
    imagined.last_view = 0
    assert render(tmp_path, "--views", "2") == 1
    assert imagined.closed


def test_two_scenes_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "room.xml", "room.xml", "other/room.xml", "-o", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "mcdenoise: room.xml and other/room.xml: pairs of both would have one name; rename one of them\n"
    )


def test_neither_scene_nor_number_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "-o", str(tmp_path / "pairs")]) == 2
    assert capsys.readouterr().err == (
        "mcdenoise: render: give scene files, or --procedural N (see mcdenoise render --help)\n"
    )


@pytest.mark.parametrize("inside", ["", "/pairs"])
def test_output_that_is_a_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], inside: str
) -> None:
    (tmp_path / "taken").write_text("mine")
    assert render(Path(f"{tmp_path}/taken{inside}")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mcdenoise: {tmp_path}/taken{inside}: can't be written to as a folder: ")
    assert (tmp_path / "taken").read_text() == "mine"


def test_missing_scene_is_one_line_and_its_own_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render(tmp_path, scene="nowhere.xml") == 3
    told = capsys.readouterr()
    assert told.err == (
        "mcdenoise: nowhere.xml: no such scene file; give a Mitsuba 3 XML file, or --procedural N\n"
    )
    assert told.out == f"{tmp_path}: 0 pairs were there, 0 rendered, 4 failed\n"


def test_failures_of_several_kinds_exit_with_one() -> None:
    tally = rendering.Tally()
    assert tally.exit_code == 0
    tally.fail(SceneError("broken"), views=2)
    tally.fail(rendering.NoInputError("gone"), views=1)
    assert (tally.exit_code, tally.failed) == (1, 3)


# ---- which Mitsuba ----


@pytest.fixture
def fresh_variant(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variant is asked for, none known from an earlier probe, and no GPU here."""
    monkeypatch.delenv(_variant.VARIABLE, raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(_variant, "DRIVER", "no such driver")
    _variant.variant.cache_clear()
    yield
    _variant.variant.cache_clear()


@pytest.mark.usefixtures("fresh_variant")
@pytest.mark.parametrize(
    "probe", ["import os; os.abort()", "import time; time.sleep(60)", "import none_such"]
)
def test_unusable_llvm_falls_back_and_tells_the_cure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, probe: str
) -> None:
    monkeypatch.setattr(_variant, "_PROBE", probe)
    monkeypatch.setattr(_variant, "PROBE_SECONDS", 1)
    assert _variant.variant() == "scalar_rgb"
    assert "llvm_ad_rgb doesn't work here, using scalar_rgb" in caplog.text
    assert "apt-get install libllvm19" in caplog.text


@pytest.mark.usefixtures("fresh_variant")
def test_usable_llvm_is_taken_in_silence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_variant, "_PROBE", "")
    assert _variant.variant() == "llvm_ad_rgb"
    assert not caplog.text


# A child that notes which variant it is to probe, and survives only with one of these.
PROBE = """
import sys
with open({log!r}, "a") as log: print(sys.argv[1], file=log)
raise SystemExit(sys.argv[1] not in {working!r})
"""


@pytest.mark.usefixtures("fresh_variant")
@pytest.mark.parametrize(
    ("driver", "hidden", "working", "probed"),
    [
        ("libc.so.6", None, ["cuda_ad_rgb", "llvm_ad_rgb"], ["cuda_ad_rgb"]),
        ("libc.so.6", "1", ["cuda_ad_rgb"], ["cuda_ad_rgb"]),
        ("libc.so.6", None, ["llvm_ad_rgb"], ["cuda_ad_rgb", "llvm_ad_rgb"]),
        ("libc.so.6", None, [], ["cuda_ad_rgb", "llvm_ad_rgb"]),
        ("libc.so.6", "", ["cuda_ad_rgb", "llvm_ad_rgb"], ["llvm_ad_rgb"]),
        ("libc.so.6", "-1", ["cuda_ad_rgb", "llvm_ad_rgb"], ["llvm_ad_rgb"]),
        ("no such driver", None, ["cuda_ad_rgb", "llvm_ad_rgb"], ["llvm_ad_rgb"]),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="libc stands in for NVIDIA's driver")
def test_gpu_comes_first_then_llvm_and_no_gpu_is_probed_where_none_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    driver: str, hidden: str | None, working: list[str], probed: list[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(_variant, "DRIVER", driver)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    monkeypatch.setattr(_variant, "_PROBE", PROBE.format(log=str(tmp_path / "log"), working=working))
    assert _variant.variant() == (probed[-1] if probed[-1] in working else "scalar_rgb")
    assert (tmp_path / "log").read_text().split() == probed
    told_of_gpu = "cuda_ad_rgb doesn't work here in spite of" in caplog.text
    assert told_of_gpu == (probed[0] == "cuda_ad_rgb" and "cuda_ad_rgb" not in working)


@pytest.mark.usefixtures("fresh_variant")
def test_variant_asked_for_is_taken_without_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_variant.VARIABLE, "scalar_rgb")
    monkeypatch.setattr(_variant, "_PROBE", "raise SystemExit(1)")
    assert _variant.variant() == "scalar_rgb"


@pytest.mark.usefixtures("fresh_variant")
def test_variant_that_mitsuba_hasnt_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = SimpleNamespace(variant=lambda: None, variants=lambda: ["scalar_rgb", "llvm_ad_rgb"])
    monkeypatch.setitem(sys.modules, "mitsuba", bare)
    monkeypatch.setenv(_variant.VARIABLE, "vulkan")
    assert render(tmp_path, scene=CORNER) == 2
    assert capsys.readouterr().err == (
        "mcdenoise: MCDENOISE_MITSUBA_VARIANT=vulkan: no such variant; there is: scalar_rgb, llvm_ad_rgb\n"
    )


def test_missing_mitsuba_is_one_line_however_many_scenes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    assert main(["render", "--procedural", "5", "-o", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("install it with: pip install 'mcdenoise[render]'")


# ---- what Mitsuba gives, as a frame ----


def image(**values: float) -> np.ndarray:
    """One pixel of R G B, albedo, normal, depth."""
    planes = {"color": (3, 1.0), "albedo": (3, 0.5), "normal": (3, 0.0), "depth": (1, 2.0)}
    return np.array([[[values.get(n, value) for n, (count, value) in planes.items() for _ in range(count)]]],
                    np.float32)  # fmt: skip


@pytest.mark.parametrize(
    ("plane", "given", "kept"),
    [("albedo", 97.0, 1.0), ("albedo", -0.01, 0.0), ("albedo", 0.0, 0.0), ("albedo", 0.3, 0.3),
     ("normal", 1.2, 1.0), ("normal", -1.2, -1.0), ("depth", -1.0, 0.0), ("depth", 7.0, 7.0),
     ("color", -0.5, 0.0), ("color", 97.0, 97.0)],
)  # fmt: skip
def test_planes_are_brought_into_their_range(plane: str, given: float, kept: float) -> None:
    frame = mitsuba._frame(image(**{plane: given}), has_negative_lobes=False)
    assert (frame.planes[plane] == np.float32(kept)).all()


def test_negative_lobes_of_a_filter_stay_in_the_picture() -> None:
    assert (mitsuba._frame(image(color=-0.5), has_negative_lobes=True).color == -0.5).all()


def test_passes_hold_the_samples_asked_for_and_none_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mitsuba, "PASS_SAMPLES", 3 * 16 * 12)
    shot = Shot(spp=8, seed=1, filter="box", width=16, height=12)
    assert mitsuba._passes(shot) == [3, 3, 2]
    assert mitsuba._passes(replace(shot, width=1000)) == [1] * 8


def test_passes_and_halves_start_from_seeds_of_their_own() -> None:
    seeds = {mitsuba._pass_seed(seed, number) for seed in range(50) for number in range(50)}
    assert len(seeds) == 2500
