"""Bad input: one line on stderr, the right exit code, no half file, and the input as it was."""

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from mcdenoise import exr
from mcdenoise.__main__ import main
from mcdenoise.frame import Frame

pytest_plugins = ["halving_engine"]


def save(path: Path, *, size: tuple[int, int] = (200, 100)) -> Path:
    """Noise, so that it doesn't pack."""
    color = np.random.default_rng(0).random((*size, 3), np.float32)
    exr.write_frame(path, Frame({"color": color, "depth": color[..., :1]}))
    return path


def no_such_file(folder: Path) -> Path:
    return folder / "in.exr"


def a_folder(folder: Path) -> Path:
    (folder / "in.exr").mkdir()
    return folder / "in.exr"


def not_an_exr(folder: Path) -> Path:
    (folder / "in.exr").write_text("P6 1 1 255 abc")
    return folder / "in.exr"


def empty(folder: Path) -> Path:
    (folder / "in.exr").touch()
    return folder / "in.exr"


def cut_in_the_header(folder: Path) -> Path:
    return cut(folder, 150)


def cut_in_the_offsets(folder: Path) -> Path:
    return cut(folder, 420)


def cut_in_the_pixels(folder: Path) -> Path:
    return cut(folder, 100_000)


def cut(folder: Path, length: int) -> Path:
    path = save(folder / "in.exr")
    path.write_bytes(path.read_bytes()[:length])
    return path


def scrambled_pixels(folder: Path) -> Path:
    path = folder / "in.exr"
    packable = np.random.default_rng(0).integers(0, 9, (64, 64)).astype(np.float32)
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    OpenEXR.File(header, {channel: packable.copy() for channel in "RGB"}).write(str(path))
    file = bytearray(path.read_bytes())
    file[-300:-200] = bytes(100)
    path.write_bytes(file)
    return path


def no_rgb(folder: Path) -> Path:
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    OpenEXR.File(header, {"Y": np.ones((2, 2), np.float32)}).write(str(folder / "in.exr"))
    return folder / "in.exr"


# What makes a bad file, the exit code, and how its line goes on after the path.
BAD = [
    (no_such_file, 3, "no such file; check the path"),
    (a_folder, 1, "is a folder; give the frames in it"),
    (not_an_exr, 1, "not an OpenEXR file; give an .exr file"),
    (empty, 1, "the file is empty; render or copy it again"),
    (cut_in_the_header, 1, "damaged or cut off; copy or render it again"),
    (cut_in_the_offsets, 1, "damaged or cut off; copy or render it again"),
    (cut_in_the_pixels, 1, "damaged or cut off; copy or render it again"),
]
BAD_TO_DENOISE = [
    (scrambled_pixels, 1, "damaged or cut off; copy or render it again"),
    (no_rgb, 1, "no R, G, B to denoise; it has: Y"),
]


@pytest.mark.parametrize(
    ("verb", "make", "code", "said"),
    [*(("denoise", *bad) for bad in BAD + BAD_TO_DENOISE), *(("inspect", *bad) for bad in BAD)],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.usefixtures("halving_engine")
def test_bad_frame_is_one_line_and_leaves_nothing_behind(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    verb: str,
    make: Callable[[Path], Path],
    code: int,
    said: str,
) -> None:
    path = make(tmp_path)
    before = content(tmp_path)

    assert main([verb, str(path)]) == code

    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"mcdenoise: {path}: {said}")
    assert printed.err.count("\n") == 1
    assert content(tmp_path) == before


def content(folder: Path) -> dict[str, bytes | None]:
    return {str(p): None if p.is_dir() else p.read_bytes() for p in folder.rglob("*")}


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network of random weights."""
    import torch

    from mcdenoise import checkpoint, networks

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    checkpoint.save_model(path, networks.build("unet", {}), {})
    return str(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -1.0])
def test_pixels_that_are_no_radiance_do_not_stop_the_real_network(
    tmp_path: Path, random_model: str, capsys: pytest.CaptureFixture[str], value: float
) -> None:
    color = np.ones((3, 7, 3), np.float32)
    color[1, 2] = value
    exr.write_frame(tmp_path / "in.exr", Frame({"color": color}))

    assert main([str(tmp_path / "in.exr"), "--model", random_model]) == 0

    assert np.isfinite(exr.read_frame(tmp_path / "in_denoised.exr").color).all()
    assert ("1 pixels of NaN or Inf replaced" in capsys.readouterr().out) == (not np.isfinite(value))


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (1, 40)])
def test_tiny_frames_keep_their_size_through_the_real_network(
    tmp_path: Path, random_model: str, size: tuple[int, int]
) -> None:
    save(tmp_path / "in.exr", size=size)

    assert main([str(tmp_path / "in.exr"), "--model", random_model]) == 0
    assert exr.read_frame(tmp_path / "in_denoised.exr").size == size


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("/proc/out.exr", "/proc: can't be written to: "),
        ("{folder}/in.exr/out.exr", "{folder}/in.exr: no such folder to write to; make it first"),
        ("{folder}/nowhere/out.exr", "{folder}/nowhere: no such folder to write to; make it first"),
        ("{folder}/nowhere/", "{folder}/nowhere: no such folder to write to; make it first"),
    ],
)
def test_folder_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, halving_engine: type, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    output: str, said: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(halving_engine, "__init__", lambda *_, **__: pytest.fail("the model was loaded"))
    path = save(tmp_path / "in.exr")
    before = content(tmp_path)

    assert main([str(path), "-o", output.format(folder=tmp_path)]) == 1

    printed = capfd.readouterr()
    assert printed.err.startswith(f"mcdenoise: {said.format(folder=tmp_path)}")
    assert printed.err.count("\n") == 1
    assert content(tmp_path) == before


@pytest.mark.usefixtures("halving_engine")
def test_file_that_grows_too_large_is_one_line_and_leaves_nothing_behind(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "in.exr")
    before = content(tmp_path)

    with file_size_limit(60_000):
        code = main([str(path)])

    assert code == 1
    said = f"{tmp_path}/in_denoised.exr: can't be written: File too large; "
    assert capfd.readouterr() == ("", f"mcdenoise: {said}free some space or choose another folder\n")
    assert content(tmp_path) == before


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 64 KiB."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small file system; the limit on file sizes stands in for it")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.usefixtures("halving_engine")
def test_full_disk_is_one_line_and_leaves_nothing_behind(
    tmp_path: Path, full_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "in.exr")

    assert main([str(path), "-o", str(full_disk)]) == 1

    said = f"{full_disk}/in_denoised.exr: can't be written: No space left on device; "
    assert capfd.readouterr() == ("", f"mcdenoise: {said}free some space or choose another folder\n")
    assert content(full_disk) == {}
