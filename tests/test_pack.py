"""`mcdenoise pack`: sound pairs become shards, bad ones are named, and a killed run is gone on with."""

import mmap
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import small
import torch

from mcdenoise import dataset, shards
from mcdenoise.__main__ import main
from mcdenoise.dataset import Cut
from mcdenoise.errors import TrainingError
from mcdenoise.frame import Frame
from mcdenoise.views import View

MakeFrame = Callable[..., Frame]


@pytest.fixture
def pairs(tmp_path: Path, noisy_frame: MakeFrame) -> Path:
    return small.save_pairs(tmp_path / "pairs", noisy_frame, 3)


def pack(pairs: Path, out: Path, *more: str) -> int:
    return main(["pack", str(pairs), "-o", str(out), "--quiet", *more])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_training_sees_the_same_batches_from_shards_and_from_files(tmp_path: Path, pairs: Path) -> None:
    assert pack(pairs, tmp_path / "shards") == 0
    sources = [dataset.load(folder)[0] for folder in (pairs, tmp_path / "shards")]
    assert [view.name for view in sources[0]] == [view.name for view in sources[1]]
    for one, other in zip(*(islice(dataset.batches(s, Cut(32, 2, 1)), 6) for s in sources), strict=True):
        for part in ("color", "guides", "target", "target_noise"):
            assert torch.equal(getattr(one, part), getattr(other, part))


def test_shard_keeps_what_the_renderer_said(tmp_path: Path, noisy_frame: MakeFrame) -> None:
    said = {"mcdenoise.spp": 4, "mcdenoise.filter": "box", "mcdenoise.view": 7}
    small.save_pair(tmp_path / "pairs", "hall", [Frame(noisy_frame(i).planes, said) for i in (1, 2)])
    pack(tmp_path / "pairs", tmp_path / "shards")
    (view,) = shards.read(tmp_path / "shards" / "hall.000.shard.safetensors")
    assert (view.scene, view.spps, view.filter, view.attributes["mcdenoise.view"]) == (
        "hall",
        (4, 4),
        "box",
        7,
    )
    np.testing.assert_array_equal(view.renders[0]["color"][2:9, 3:5], noisy_frame(1).color[2:9, 3:5])


def test_bad_pair_is_named_counted_and_left_out(
    tmp_path: Path, pairs: Path, noisy_frame: MakeFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    small.save_pair(pairs, "twins", [noisy_frame(5), noisy_frame(6)], seeds=(9, 9))
    (pairs / "torn.a.exr").write_bytes(b"no picture")
    assert pack(pairs, tmp_path / "shards") == 0
    told = capsys.readouterr()
    assert "left out: twins: a and b: have the same seed" in told.err
    assert f"left out: torn: {pairs}/torn.a.exr: " in told.err
    assert "3 sound pairs, 2 left out; 5 shards written, 0 were there" in told.out
    assert len(dataset.load(tmp_path / "shards")[0]) == 3


def test_check_writes_nothing_and_its_exit_code_tells(
    tmp_path: Path, pairs: Path, noisy_frame: MakeFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(pairs)
    assert main(["pack", str(pairs), "--check", "--quiet"]) == 0
    small.save_pair(pairs, "twins", [noisy_frame(5), noisy_frame(6)], seeds=(9, 9))
    assert main(["pack", str(pairs), "--check", "--quiet"]) == 1
    assert "3 sound pairs, 1 left out" in capsys.readouterr().out
    assert {name: contents(pairs)[name] for name in before} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs"]


def test_two_folders_hold_a_render_of_each_view(tmp_path: Path, pairs: Path) -> None:
    for letter, folder in (("a", "one"), ("b", "two")):
        (tmp_path / folder).mkdir()
        for path in pairs.glob(f"*.{letter}.exr"):
            path.rename(tmp_path / folder / path.name.replace(f".{letter}.", "."))
    assert (
        main(["pack", str(tmp_path / "one"), str(tmp_path / "two"), "-o", str(tmp_path / "s"), "--quiet"])
        == 0
    )
    assert [view.name for view in dataset.load(tmp_path / "s")[0]] == ["place0", "place1", "place2"]


def test_second_run_packs_what_is_new_only(
    tmp_path: Path, pairs: Path, noisy_frame: MakeFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    pack(pairs, tmp_path / "shards")
    first = contents(tmp_path / "shards")
    small.save_pair(pairs, "annex", [noisy_frame(7), noisy_frame(8)])
    capsys.readouterr()
    pack(pairs, tmp_path / "shards")
    assert "4 sound pairs, 0 left out; 1 shards written, 3 were there" in capsys.readouterr().out
    assert {name: contents(tmp_path / "shards")[name] for name in first} == first


def test_view_that_was_rendered_again_is_packed_again(
    tmp_path: Path, pairs: Path, noisy_frame: MakeFrame
) -> None:
    pack(pairs, tmp_path / "shards")
    small.save_pair(pairs, "place1", [noisy_frame(21, size=(40, 48)), noisy_frame(22, size=(40, 48))])
    pack(pairs, tmp_path / "shards")
    view = next(view for view in dataset.load(tmp_path / "shards")[0] if view.name == "place1")
    np.testing.assert_array_equal(view.renders[0]["color"][:], noisy_frame(21, size=(40, 48)).color)


def test_damaged_shard_is_packed_again_and_no_part_of_a_training(tmp_path: Path, pairs: Path) -> None:
    pack(pairs, tmp_path / "shards")
    whole, path = contents(tmp_path / "shards"), tmp_path / "shards" / "place0.000.shard.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainingError, match=r"place0.*: damaged or cut off .*; remove it and pack again"):
        dataset.load(tmp_path / "shards")
    assert pack(pairs, tmp_path / "shards") == 0
    assert contents(tmp_path / "shards") == whole


def test_changed_pixel_is_found_by_its_checksum(tmp_path: Path, pairs: Path) -> None:
    pack(pairs, tmp_path / "shards")
    path = tmp_path / "shards" / "place0.000.shard.safetensors"
    shards.verify(path)
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    with pytest.raises(TrainingError, match="place0 isn't what was packed"):
        shards.verify(path)


def stored(tmp_path: Path, pairs: Path) -> list[View]:
    pack(pairs, tmp_path / "shards")
    return dataset.load(tmp_path / "shards")[0]


def test_view_of_a_shard_is_sent_to_a_process_as_a_place_in_a_file(tmp_path: Path, pairs: Path) -> None:
    view = stored(tmp_path, pairs)[0]
    sent = pickle.dumps(view)
    assert len(sent) < 5000
    assert pickle.loads(sent).renders[1]["color"][:].tobytes() == view.renders[1]["color"][:].tobytes()


def test_rows_asked_for_ahead_are_those_bytes_of_the_file(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = stored(tmp_path, pairs)[0].renders[1]["normal"]
    assert isinstance(plane, shards.StoredPlane)
    rows, asked = plane[7:20].tobytes(), []
    recorder = SimpleNamespace(madvise=lambda *advice: asked.append(advice))
    plane.prefetch(slice(7, 20))  # the system takes it
    with monkeypatch.context() as patch:
        patch.setattr(plane.pages, "bytes", recorder)
        plane.prefetch(slice(7, 20))
    ((advice, begin, length),) = asked
    assert advice == mmap.MADV_WILLNEED
    assert begin % mmap.PAGESIZE == 0
    assert plane.pages.bytes[begin : begin + length].endswith(rows)
    assert length < len(rows) + mmap.PAGESIZE


def test_all_that_a_crop_reads_is_asked_for_before_its_first_pixel(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views, events, read = stored(tmp_path, pairs), [], shards.StoredPlane.__getitem__

    def record(kind: str, plane: shards.StoredPlane, rows: slice) -> None:
        events.append((kind, plane.start, set(range(*rows.indices(plane.shape[0])))))

    def noted(plane: shards.StoredPlane, window: tuple[slice, slice]) -> np.ndarray:
        record("read", plane, window[0])
        return read(plane, window)

    monkeypatch.setattr(shards.StoredPlane, "prefetch", lambda plane, rows: record("ask", plane, rows))
    monkeypatch.setattr(shards.StoredPlane, "__getitem__", noted)
    for step in range(20):
        events.clear()
        dataset.Batches(views[:1], Cut(32, 1, seed=1))[step]
        kinds = [kind for kind, _, _ in events]
        assert kinds == sorted(kinds)  # "ask" before "read"
        asked, wanted = (
            {start: set().union(*(rows for how, at, rows in events if (how, at) == (kind, start)))
             for _, start, _ in events}
            for kind in ("ask", "read")
        )  # fmt: skip
        assert asked == wanted


def test_shards_of_another_folder_are_not_overwritten(
    tmp_path: Path, pairs: Path, noisy_frame: MakeFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    pack(pairs, tmp_path / "shards")
    before = contents(tmp_path / "shards")
    small.save_pairs(tmp_path / "others", noisy_frame, 1)
    assert pack(tmp_path / "others", tmp_path / "shards") == 2
    assert f"holds pairs of {pairs.resolve()}; choose another -o" in capsys.readouterr().err
    assert contents(tmp_path / "shards") == before


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (["nowhere", "-o", "s"], "nowhere: no such folder; make pairs with: mcdenoise render", 1),
        (["pairs"], "pack: give -o SHARDS/ to pack, or --check to check only", 2),
        (["pairs", "-o", "s", "--check"], "pack: give -o SHARDS/ to pack, or --check to check only", 2),
        (["pairs", "pairs", "pairs", "--check"], "pack: give one folder of pairs, or two folders", 2),
    ],
)
def test_impossible_command_is_one_line(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], told: str, code: int,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["pack", *arguments]) == code
    err = capsys.readouterr().err
    assert err.startswith(f"mcdenoise: {told}")
    assert err.count("\n") == 1


@pytest.mark.slow
def test_killed_run_is_completed_by_a_second_one(tmp_path: Path, noisy_frame: MakeFrame) -> None:
    pairs = small.save_pairs(tmp_path / "pairs", noisy_frame, 40)
    pack(pairs, tmp_path / "whole")
    command = [
        sys.executable,
        "-m",
        "mcdenoise",
        "pack",
        str(pairs),
        "-o",
        str(tmp_path / "killed"),
        "--quiet",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("killed/*"))) < 5 and time.monotonic() < until:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 0 < len(list(tmp_path.glob("killed/*.shard.safetensors"))) < 40
    assert pack(pairs, tmp_path / "killed") == 0
    whole = contents(tmp_path / "whole")
    assert {name: contents(tmp_path / "killed")[name] for name in whole} == whole
