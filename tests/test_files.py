"""Files appear whole or not at all."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mcdenoise import files


def test_written_file_takes_its_name_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    with files.whole(path) as part:
        part.write_bytes(b"new")
        assert part.parent == tmp_path  # a rename is whole only within one file system
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_leaves_the_old_file_and_no_part_file(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"old")

    with pytest.raises(KeyboardInterrupt):
        write_half(path)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def write_half(path: Path) -> None:
    with files.whole(path) as part:
        part.write_bytes(b"ne")
        raise KeyboardInterrupt


def test_nothing_written_is_an_error_and_not_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.whole(tmp_path / "model.bin"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_the_file_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.whole(tmp_path / "nowhere" / "model.bin") as part:
        part.write_bytes(b"new")


def test_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.bin"
    synced: list[bool] = []
    monkeypatch.setattr("os.fsync", lambda _: synced.append(path.exists()))

    with files.whole(path) as part:
        part.write_bytes(b"new")

    assert synced == [False]


def test_part_file_of_a_writer_long_dead_is_removed_and_that_of_a_running_one_stays(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    host = socket.gethostname()
    dead, alive = (tmp_path / f".f.exr.{host}.{pid}.part" for pid in (child.pid, os.getppid()))
    other = tmp_path / f".g.exr.{host}.{child.pid}.part"
    for left in (dead, alive, other):
        left.write_bytes(b"half")
        os.utime(left, (0, time.time() - 7200))

    with files.whole(tmp_path / "f.exr") as part:
        part.write_bytes(b"new")

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, other.name, "f.exr"])


def test_folder_is_listed_once_for_all_files_that_are_written_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = []
    really = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: listed.append(folder) or really(folder))
    for name in "abc":
        with files.whole(tmp_path / name) as part:
            part.write_bytes(b"new")
    assert listed == [tmp_path]


def test_file_that_is_replaced_hands_its_rights_on(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "f").chmod(0o640)
    with files.whole(tmp_path / "f") as part:
        part.write_bytes(b"new")
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640
