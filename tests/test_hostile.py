"""No file crashes it, hangs it, or comes back poorer: one line, or the frame with all it held."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hostile
import numpy as np
import OpenEXR
import pytest
import small
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcdenoise import checkpoint, exr
from mcdenoise.__main__ import main
from mcdenoise.engine import Denoiser
from mcdenoise.errors import McdenoiseError
from mcdenoise.frame import Frame

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


def refused(path: Path) -> str:
    """The one line that a file's reading, choosing and unpacking ends in."""
    with pytest.raises(McdenoiseError) as caught:
        exr.read_frame(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert line.isprintable()
    return line


# ---- declared sizes ----


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        ((0, 0, -1, -1), "its data window has no pixels"),
        ((3, 3, 2, 9), "its data window has no pixels"),
        ((0, 0, 2**31 - 1, 2**31 - 1), "its data window lies where no picture is"),
        ((-(2**31), 0, 2**31 - 1, 4), "its data window lies where no picture is"),
        ((0, 0, 1, 2**24), "it ends before its pixels"),
        ((0, 0, 2**22, 2**14), "it declares"),
        ((0, 0, 6, 9), "it ends within its pixels"),
    ],
)
def test_window_that_cannot_be_is_refused(tmp_path: Path, edges: tuple[int, ...], said: str) -> None:
    path = hostile.with_window(hostile.save(tmp_path / "in.exr", kind=OpenEXR.ZIPS_COMPRESSION), *edges)
    assert "damaged" in refused(path)
    assert said in refused(path)


def test_more_pixels_than_memory_are_refused_before_they_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcdenoise.exr._memory.limit", lambda: 400)
    path = hostile.save(tmp_path / "in.exr")
    monkeypatch.setattr("mcdenoise.exr._library.unpacked", lambda *_: pytest.fail("they were unpacked"))
    assert "of memory and" in refused(path)


@contextmanager
def address_space(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_bomb_of_zeros_takes_no_memory(tmp_path: Path) -> None:
    """A file of 2 MB that unpacks to 1.7 GB, within the ratio that zlib can reach, under a cap of 1 GB."""
    side = 12_000
    path = tmp_path / "bomb.exr"
    code = (
        "import numpy as np, OpenEXR\n"
        f"z = np.zeros(({side}, {side}), np.float32)\n"
        "OpenEXR.File({'type': OpenEXR.scanlineimage, 'compression': OpenEXR.ZIP_COMPRESSION},"
        f" {{c: z for c in 'RGB'}}).write({str(path)!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from mcdenoise import exr\n"
        "from mcdenoise.errors import ExrError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n"
        "try:\n"
        f"    exr.read_frame(Path({str(path)!r}))\n"
        "except ExrError as error:\n"
        "    print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.startswith(f"{path}: it takes 1.6 GiB of memory and 1.0 GiB are free; ")


# ---- shapes ----


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kernel-predicting network of random weights."""
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    checkpoint.save_model(path, small.network("hybrid"), {})
    return path


@pytest.mark.parametrize("size", [(1, 1), (1, 65536), (65536, 1), (2, 3)])
def test_frames_of_any_shape_are_denoised(tmp_path: Path, model: Path, size: tuple[int, int]) -> None:
    path = hostile.with_color(tmp_path / "in.exr", np.ones((*size, 3)))
    assert main([str(path), "--model", str(model), "--quiet"]) == 0
    assert exr.read_frame(tmp_path / "in_denoised.exr").size == size


def test_thousand_channels_are_kept(tmp_path: Path, model: Path) -> None:
    chance = np.random.default_rng(0)
    names = ["R", "G", "B", *(f"aov{i}.{c}" for i in range(333) for c in "RGB")]
    channels = {name: chance.random((3, 4)).astype(np.float16) for name in names}
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.PIZ_COMPRESSION}
    OpenEXR.File(header, dict(channels)).write(str(tmp_path / "in.exr"))

    assert main([str(tmp_path / "in.exr"), "--model", str(model), "--quiet"]) == 0

    (after,) = exr.read(tmp_path / "in_denoised.exr").parts
    assert sorted(after.types) == sorted(names)
    assert all(after.pixels[n].tobytes() == channels[n].tobytes() for n in names if n.startswith("aov"))


def test_file_without_channels_is_refused(tmp_path: Path) -> None:
    path = hostile.save(tmp_path / "in.exr")
    path = hostile.with_attribute(path, b"channels", b"\0")
    assert "damaged" in refused(path) or "no R, G, B" in refused(path)


def test_deep_part_beside_a_flat_one_comes_out_to_the_bit(tmp_path: Path) -> None:
    picture = exr.read(hostile.with_deep_part(tmp_path / "in.exr"))
    taken = picture.layout().planes["color"]

    exr.write(tmp_path / "out.exr", picture, exr.replaced({taken: np.ones((5, 7, 3), np.float32)}, {}))

    deep, after = picture.parts[1], exr.read(tmp_path / "out.exr").parts
    assert (after[0].pixels["R"] == 1).all()
    assert after[1].head.attributes == deep.head.attributes
    with picture.path.open("rb") as old, (tmp_path / "out.exr").open("rb") as new:
        chunks = [(deep.chunk(old, key), after[1].chunk(new, key)) for key in deep.places]
    assert len(chunks) == 5
    assert all(before == now for before, now in chunks)


# ---- values ----


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_fault_changes_no_pixel_beyond_the_radius_and_near_it_no_more_than_a_firefly(
    model: Path, value: float
) -> None:
    _, before, after, reach = with_fault(Denoiser(model, device="cpu"), value)

    # The exposure moves a little, and bf16 has 8 bits.
    np.testing.assert_allclose(after[:, reach:], before[:, reach:], rtol=4e-3)
    assert np.isfinite(after).all()
    assert after.max() <= 2 * before.max()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_fault_is_to_the_shipped_model_what_its_neighbours_are(value: float) -> None:
    denoiser = Denoiser("standard", device="cpu")
    color, before, after, reach = with_fault(denoiser, value)

    mended = color.copy()
    mended[8, 20] = (color[7:10, 19:22].sum((0, 1)) - color[8, 20]) / 8
    np.testing.assert_allclose(after, denoiser(Frame({"color": mended})).color, rtol=1e-2)
    # Beyond the radius all that differs is the exposure, which the network rounds (bfloat16: 2^-8).
    np.testing.assert_allclose(after[:, reach:], before[:, reach:], rtol=1e-2)
    assert np.abs(after - before).max() < 0.05 * before.max()


def with_fault(denoiser: Denoiser, value: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Noise, what is made of it, what is made of it with one pixel of `value`, and the first column beyond
    that pixel's reach."""
    color = np.random.default_rng(0).lognormal(-1, 0.5, (16, 800, 3)).astype(np.float32)
    broken = color.copy()
    broken[8, 20] = value
    before, after = (denoiser(Frame({"color": c})).color for c in (color, broken))
    return color, before, after, 20 + denoiser.network.radius + denoiser.network.stride


# ---- fuzzing ----


@st.composite
def harmed(draw: st.DrawFn) -> tuple[int, list[tuple[str, int, int]], int | None]:
    """Which sound file, what to do to which byte, and where to cut it off."""
    place = st.one_of(st.integers(0, 700), st.integers(0, 4000))
    harm = st.tuples(st.sampled_from(["set", "flip", "max", "drop"]), place, st.integers(0, 255))
    cut = draw(st.one_of(st.none(), st.integers(0, 4000)))
    return draw(st.integers(0, len(hostile.KINDS) - 1)), draw(st.lists(harm, min_size=1, max_size=6)), cut


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(harmed())
def test_harmed_file_works_or_ends_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[int, list[tuple[str, int, int]], int | None]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    hostile.fuzz(folder, case)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_harmed_files_neither_crash_nor_hang_for_a_minute(tmp_path: Path) -> None:
    """In a child, so that a crash of the library is seen: MCDENOISE_FUZZ_SECONDS gives it more time."""
    seconds = float(os.environ.get("MCDENOISE_FUZZ_SECONDS", "60"))
    code = f"import hostile; hostile.fuzz_for({seconds}, {str(tmp_path)!r})"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True,
        timeout=seconds + 240, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-2000:]


# ---- kill -9 ----


@pytest.mark.parametrize("in_place", [False, True])
def test_killed_at_any_moment_it_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, *, in_place: bool
) -> None:
    path = hostile.save(tmp_path / "in.exr", size=(900, 900), kind=OpenEXR.NO_COMPRESSION)
    before = path.read_bytes()
    target = path if in_place else tmp_path / "out.exr"
    code = (
        "import sys; from pathlib import Path; import numpy as np; from mcdenoise import exr\n"
        f"picture = exr.read(Path({str(path)!r})); layout = picture.layout()\n"
        "color = exr.frame(picture, layout).color\n"
        "print('ready', flush=True)\n"
        "for value in range(1, 99):\n"
        "    picture = exr.read(Path(sys.argv[2])); plane = np.full_like(color, value)\n"
        "    exr.write(Path(sys.argv[1]), picture, exr.replaced({layout.planes['color']: plane}, {}))\n"
    )
    chance = random.Random(0)
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(target), str(path)], stdout=subprocess.PIPE, env=ENVIRONMENT
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.random() * 0.4)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        if not in_place:
            assert path.read_bytes() == before
        for whole in {path, target}:
            if whole.exists():
                pixels = exr.read(whole).parts[0].pixels
                assert whole == path or len(np.unique(pixels["R"])) == 1, "half of one and half of another"
                assert (pixels["albedo.R"] > 0).all()
