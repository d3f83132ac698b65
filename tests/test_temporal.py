"""`--temporal`: neighbours that vote, where they may, and what is said where they can't."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from mcdenoise import exr, frame, temporal
from mcdenoise.__main__ import main
from mcdenoise.commands import _elsewhere, _jobs, _temporal
from mcdenoise.frame import Frame
from mcdenoise.metrics import relmse
from mcdenoise.temporal import Moment

pytest_plugins = ["halving_engine"]
MakeFrame = Callable[..., Frame]
SIZE = 24, 32
STILL = np.zeros((*SIZE, 2), np.float32)


def moment(frame: Frame) -> Moment:
    """A denoiser that does nothing leaves all noise for the vote."""
    return Moment(frame, Frame({"color": frame.color}))


def test_vote_of_three_takes_half_of_the_noise_at_least(noisy_frame: MakeFrame) -> None:
    one, *others = (moment(noisy_frame(seed, sigma=0.3)) for seed in (1, 2, 3))
    true = noisy_frame(0, sigma=0).color
    voted = temporal.vote(one, [(other, STILL) for other in others])
    assert relmse(voted.color, true) < 0.5 * relmse(one.clean.color, true)


def test_what_moved_is_found_where_it_is_and_stays_sharp(noisy_frame: MakeFrame) -> None:
    frame = noisy_frame(1, sigma=0.5)
    rolled = Frame({name: np.roll(plane, (2, -3), (0, 1)) for name, plane in frame.planes.items()})
    motion = np.broadcast_to(np.array((-3, 2), np.float32), STILL.shape).copy()
    voted = temporal.vote(moment(frame), [(moment(rolled), motion)])
    np.testing.assert_allclose(voted.color, frame.color, rtol=1e-3)


def test_strips_give_what_the_whole_gives(noisy_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    one, *others = (moment(noisy_frame(seed, sigma=0.3)) for seed in (1, 2, 3))
    motion = np.random.default_rng(1).uniform(-6, 6, STILL.shape).astype(np.float32)
    motion[3, 4] = np.nan
    around = [(other, motion) for other in others]
    whole = temporal.vote(one, around).color
    monkeypatch.setattr(frame, "STRIP", 4 * SIZE[1])
    assert len(frame.strips(*SIZE)) == 6
    np.testing.assert_allclose(temporal.vote(one, around).color, whole, rtol=1e-4)


def test_light_that_changed_leaves_no_ghost(noisy_frame: MakeFrame) -> None:
    one, other = noisy_frame(1, sigma=0.1), noisy_frame(2, sigma=0.1)
    lamp = np.ones((*SIZE, 1), np.float32)
    lamp[4:16, 4:16] = 3
    lit = Frame({**other.planes, "color": other.color * lamp})
    voted = temporal.vote(moment(one), [(moment(lit), STILL)])
    assert abs(voted.color[4:16, 4:16].mean() / one.color[4:16, 4:16].mean() - 1) < 0.03


def test_the_suns_disc_stays_as_bright_as_it_is(noisy_frame: MakeFrame) -> None:
    frames = [noisy_frame(seed, sigma=0.1) for seed in (1, 2)]
    for lit in frames:
        lit.color[4:8, 4:8] = 1e7
    voted = temporal.vote(moment(frames[0]), [(moment(frames[1]), STILL)])
    np.testing.assert_allclose(voted.color[4:8, 4:8], 1e7, rtol=1e-3)
    assert voted.color[9:].max() < 10


def test_another_surface_has_no_vote(noisy_frame: MakeFrame) -> None:
    one, other = noisy_frame(1), noisy_frame(2)
    planes = {**other.planes, "normal": -other.planes["normal"], "albedo": 1 - other.planes["albedo"]}
    voted = temporal.vote(moment(one), [(moment(Frame(planes)), STILL)])
    np.testing.assert_allclose(voted.color, one.color, rtol=1e-3)


def test_what_is_out_of_the_other_picture_has_no_vote(noisy_frame: MakeFrame) -> None:
    one, other = moment(noisy_frame(1)), moment(noisy_frame(2))
    motion = STILL.copy()
    motion[:, :16] = 1000
    motion[:, 16:20] = np.nan
    voted = temporal.vote(one, [(other, motion)]).color
    np.testing.assert_allclose(voted[:, :20], one.clean.color[:, :20], rtol=1e-4)
    assert np.abs(voted[:, 20:] / one.clean.color[:, 20:] - 1).mean() > 0.05


def test_parts_of_the_light_still_add_up(noisy_frame: MakeFrame) -> None:
    def parted(seed: int) -> Moment:
        frame = noisy_frame(seed)
        parts = {"key": frame.color * np.float32(0.3), "fill": frame.color * np.float32(0.7)}
        return Moment(frame, Frame({"color": frame.color}, layers=parts))

    voted = temporal.vote(parted(1), [(parted(2), STILL)])
    np.testing.assert_allclose(voted.layers["key"] + voted.layers["fill"], voted.color, rtol=1e-3)


def project(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Row vectors to 0..1 over the picture, as OpenEXR defines `worldToNDC`."""
    found = np.append(points, np.ones((*points.shape[:-1], 1)), axis=-1) @ matrix
    return np.asarray(found[..., :2] / found[..., 3:])


def test_camera_motion_is_that_of_points_in_the_world() -> None:
    chance = np.random.default_rng(1)
    cameras = [np.eye(4), np.eye(4)]
    cameras[1][:3, :3] = [[np.cos(0.1), 0, np.sin(0.1)], [0, 1, 0], [-np.sin(0.1), 0, np.cos(0.1)]]
    cameras[1][3, :3] = 0.2, -0.1, 0.3
    lens = np.array([[1.2, 0, 0, 0], [0, -1.6, 0, 0], [0.5, 0.5, 1, 1], [0, 0, 0, 0]])
    here, there = (camera @ lens for camera in cameras)
    display, corner = (40, 30), (4, 3)
    x, y = np.meshgrid(np.arange(32) + 0.5 + corner[0], np.arange(24) + 0.5 + corner[1])
    rays = np.stack([(x / 40 - 0.5) / 1.2, -(y / 30 - 0.5) / 1.6, np.ones_like(x)], axis=2)
    points = rays * chance.uniform(2, 9, (24, 32, 1))
    np.testing.assert_allclose(project(points, here) * display, np.stack([x, y], axis=2), atol=1e-9)
    depth = np.linalg.norm(points, axis=2, keepdims=True).astype(np.float32)
    found = temporal.camera_motion(depth, tuple(here.ravel()), tuple(there.ravel()), corner, display)
    moved = project(points, there) * display - np.stack([x, y], axis=2)
    np.testing.assert_allclose(found, moved, atol=1e-3)


# ---- the command ----


def save(folder: Path, number: int, frame: Frame, **more: object) -> Path:
    """A frame as Blender writes it, Vector and all, unless there is a header."""
    names = {"color": ("Combined", "RGB"), "albedo": ("Denoising Albedo", "RGB"),
             "normal": ("Denoising Normal", "XYZ"), "depth": ("Denoising Depth", "Z")}  # fmt: skip
    planes = {
        f"ViewLayer.{layer}.{last}": np.ascontiguousarray(frame.planes[name][..., i])
        for name, (layer, lasts) in names.items()
        for i, last in enumerate(lasts)
    }
    vector = {} if more else {f"ViewLayer.Vector.{axis}": np.zeros(SIZE, np.float32) for axis in "XYZW"}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **more}
    path = folder / f"shot.{number:04}.exr"
    OpenEXR.File(header, {**planes, **vector}).write(str(path))
    return path


@pytest.fixture
def shot(tmp_path: Path, noisy_frame: MakeFrame) -> Path:
    for number in (1, 2, 3):
        save(tmp_path, number, noisy_frame(number, sigma=0.2))
    return tmp_path


def run(folder: Path, *flags: str) -> int:
    return main([str(folder / "shot.####.exr"), "--temporal", "-o", str(folder / "out.####.exr"), *flags])


@pytest.mark.usefixtures("halving_engine")
def test_every_frame_is_there_the_ends_too_and_says_who_voted(shot: Path, noisy_frame: MakeFrame) -> None:
    assert run(shot, "--quiet") == 0
    results = [exr.read_frame(shot / f"out.000{number}.exr") for number in (1, 2, 3)]
    assert [frame.attributes["mcdenoise.temporal"] for frame in results] == [
        "shot.0002.exr", "shot.0001.exr, shot.0003.exr", "shot.0002.exr",
    ]  # fmt: skip
    true = noisy_frame(0, sigma=0).color / 2
    for number, result in enumerate(results, 1):
        assert relmse(result.color, true) < 0.8 * relmse(noisy_frame(number, sigma=0.2).color / 2, true)


@pytest.mark.usefixtures("halving_engine")
def test_a_chunk_reads_the_frames_around_it(shot: Path) -> None:
    assert run(shot, "--quiet") == 0
    whole = exr.read_frame(shot / "out.0002.exr").color
    assert run(shot, "--quiet", "--force", "--frames=1-3", "--chunk-size=1", "--chunk-index=1") == 0
    np.testing.assert_array_equal(exr.read_frame(shot / "out.0002.exr").color, whole)


def test_neighbours_are_found_from_any_folder(shot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shot)
    job = _jobs.Job(Path("shot.0002.exr"), Path("out.0002.exr"), pattern="shot.####.exr", number=2)
    sent = _elsewhere._absolute(job)
    monkeypatch.chdir("/")
    assert _temporal.neighbours(sent) == {-1: shot / "shot.0001.exr", 1: shot / "shot.0003.exr"}


@pytest.mark.slow
def test_two_workers_give_the_votes_of_one_process(shot: Path) -> None:
    pytest.importorskip("distributed")
    assert run(shot, "--quiet") == 0
    one = [exr.read_frame(shot / f"out.000{number}.exr").color for number in (1, 2, 3)]
    assert run(shot, "--quiet", "--force", "--workers=2") == 0
    for number, color in enumerate(one, 1):
        np.testing.assert_allclose(exr.read_frame(shot / f"out.000{number}.exr").color, color, rtol=1e-3)


@pytest.mark.usefixtures("halving_engine")
def test_result_is_made_again_after_a_neighbour_was_rendered_again(
    shot: Path, noisy_frame: MakeFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(shot, "--skip-existing") == 0
    assert run(shot, "--skip-existing") == 0
    assert capsys.readouterr().out.count("is there already") == 3
    save(shot, 3, noisy_frame(9, sigma=0.2))
    assert run(shot, "--skip-existing") == 1
    told = capsys.readouterr()
    assert told.out.count("is there already") == 1
    assert "is older than" in told.err
    words = [str(shot / "shot.####.exr"), "-o", str(shot / "out.####.exr"), "--skip-existing", "--frames=1"]
    assert main(words) == 1
    assert "was made with --temporal" in capsys.readouterr().err


@pytest.mark.usefixtures("halving_engine")
def test_neighbour_that_cannot_be_read_is_left_out_and_said(
    shot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shot / "shot.0003.exr").write_text("no picture")
    assert run(shot) == 1
    told = capsys.readouterr()
    assert "frame 3 left out: " in told.out
    assert "motion 0 everywhere: nothing moves, or Cycles rendered motion blur" in told.out
    assert exr.read_frame(shot / "out.0002.exr").attributes["mcdenoise.temporal"] == "shot.0001.exr"


@pytest.mark.usefixtures("halving_engine")
def test_frames_that_do_not_say_what_moves_fail_with_the_cure(
    tmp_path: Path, noisy_frame: MakeFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        save(tmp_path, number, noisy_frame(number), comments="no motion")
    assert run(tmp_path) == 1
    told = capsys.readouterr().err
    assert "shot.0001.exr: doesn't say what moves where: no layer ViewLayer.Vector" in told
    assert "render motion vectors (in Cycles the pass Vector)" in told
    assert not list(tmp_path.glob("out.*"))


@pytest.mark.usefixtures("halving_engine")
def test_camera_of_the_header_stands_in_for_motion_vectors(tmp_path: Path, noisy_frame: MakeFrame) -> None:
    camera = np.array([[1, 0, 0, 0], [0, -1, 0, 0], [0.5, 0.5, 1, 1], [0, 0, 0, 0]], np.float32)
    for number in (1, 2):
        save(tmp_path, number, noisy_frame(number, sigma=0.2), worldToNDC=camera)
    assert run(tmp_path, "--quiet") == 0
    true = noisy_frame(0, sigma=0).color / 2
    result = exr.read_frame(tmp_path / "out.0001.exr").color
    assert relmse(result, true) < 0.8 * relmse(noisy_frame(1, sigma=0.2).color / 2, true)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shot.0001.exr"], "--temporal: is for sequences, not for shot.0001.exr; write shot.####.exr"),
        (["shot.####.exr", "--half", "b.####.exr"], "--temporal and --half: don't go together"),
        (["shot.####.exr", "--inplace"], "--temporal and --inplace: don't go together"),
    ],
)
def test_what_it_cannot_do_is_refused(
    shot: Path,
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(shot)
    assert main([*words, "--temporal"]) == 2
    assert said in capsys.readouterr().err
