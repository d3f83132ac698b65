"""exr: files come in and go out with everything that isn't replaced unchanged."""

import resource
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcdenoise import exr
from mcdenoise.commands import _terminal
from mcdenoise.errors import ExrError, FrameError, NoInputError
from mcdenoise.exr import _library
from mcdenoise.frame import Frame

TYPES = {"half": np.float16, "float": np.float32, "uint": np.uint32}
PLAIN = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
LOSSLESS = [
    OpenEXR.NO_COMPRESSION,
    OpenEXR.RLE_COMPRESSION,
    OpenEXR.ZIPS_COMPRESSION,
    OpenEXR.ZIP_COMPRESSION,
    OpenEXR.PIZ_COMPRESSION,
]


def xy(x: int, y: int) -> np.ndarray:
    """A corner of a window, as the binding wants it."""
    return np.array([x, y], np.int32)


def random_pixels(kind: str, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Any bit pattern of the type, NaN and Inf too."""
    count = size[0] * size[1] * np.dtype(TYPES[kind]).itemsize
    return np.frombuffer(np.random.default_rng(seed).bytes(count), TYPES[kind]).reshape(size)


def save(path: Path, channels: Mapping[str, np.ndarray], **header: Any) -> Path:
    """Write a file without any code of ours."""
    OpenEXR.File({**PLAIN, **header}, dict(channels)).write(str(path))
    return path


def rgb(size: tuple[int, int] = (3, 7), kind: str = "float") -> dict[str, np.ndarray]:
    values = np.random.default_rng(1).random((*size, 3)).astype(TYPES[kind])
    return {name: np.ascontiguousarray(values[..., i]) for i, name in enumerate("RGB")}


@st.composite
def files(draw: st.DrawFn) -> tuple[list[tuple[dict[str, Any], dict[str, np.ndarray], str]], int]:
    """Parts of random channels, types, windows and attributes; one of them has R, G, B."""
    names = st.lists(
        st.text("abRGBAXYZ. é_", min_size=1, max_size=9).filter(lambda n: n.strip(".") == n),
        unique=True,
        max_size=4,
    )
    parts = []
    seed = draw(st.integers(0, 99))
    display = (xy(0, 0), xy(draw(st.integers(0, 90)), 9))  # OpenEXR: one for all parts
    for index in range(draw(st.integers(1, 3))):
        size = (draw(st.integers(1, 40)), draw(st.integers(1, 20)))
        left, top = draw(st.integers(-50, 50)), draw(st.integers(-50, 50))
        channels = {f"p{index}.{name}": draw(st.sampled_from(list(TYPES))) for name in draw(names)}
        color = draw(st.sampled_from(["half", "float"]))
        channels |= dict.fromkeys(("R", "G", "B"), color) if index == 0 else {f"p{index}.R": "half"}
        header = {
            "compression": draw(st.sampled_from(LOSSLESS)),
            "type": OpenEXR.scanlineimage,
            "lineOrder": draw(st.sampled_from([OpenEXR.INCREASING_Y, OpenEXR.DECREASING_Y])),
            "dataWindow": (xy(left, top), xy(left + size[1] - 1, top + size[0] - 1)),
            "displayWindow": display,
            "spp": draw(st.integers(0, 2**31 - 1)),
            "note é": draw(st.text("xyz é", min_size=1)),
        }
        pixels = {
            name: random_pixels(kind, size, seed + i) for i, (name, kind) in enumerate(channels.items())
        }
        parts.append((header, pixels, f"part {index}"))
    return parts, seed


@settings(deadline=None, max_examples=60)
@given(files())
def test_all_that_is_not_replaced_comes_out_bit_exact(
    tmp_path_factory: pytest.TempPathFactory, file: tuple[list[Any], int]
) -> None:
    folder = tmp_path_factory.mktemp("roundtrip")
    parts, seed = file
    OpenEXR.File([raw_part(*part, linear=bool(seed % 2)) for part in parts]).write(str(folder / "in.exr"))
    picture = exr.read(folder / "in.exr")
    taken = picture.layout().planes["color"]
    size = next(iter(picture.parts[0].pixels.values())).shape
    new = np.random.default_rng(seed).random((*size, 3), np.float32)

    ours = {"mcdenoise.version": "1", "mcdenoise.strength": 0.5}
    exr.write(folder / "out.exr", picture, exr.replaced({taken: new}, ours))
    again = exr.read(folder / "out.exr")

    assert taken.part == 0
    assert taken.channels == ("R", "G", "B")
    for index, ((header, pixels, name), part) in enumerate(zip(parts, again.parts, strict=True)):
        before = picture.parts[index]
        assert part.name == (name if len(parts) > 1 else before.name)
        assert dict(part.types) == {n: exr_type(p) for n, p in pixels.items()}
        assert part.window == before.window
        assert {channel.linear for channel in part.head.channels} == {bool(seed % 2)}
        count = len(before.head.attributes)
        assert part.head.attributes[:count] == before.head.attributes
        added = {raw.name.decode() for raw in part.head.attributes[count:]}
        assert added == (set(ours) if index == 0 else set())
        assert {k: part.head.values[k] for k in ("spp", "note é")} == {
            k: header[k] for k in ("spp", "note é")
        }
        for channel, values in pixels.items():
            if index == 0 and channel in "RGB":
                values = new[..., "RGB".index(channel)].astype(values.dtype)
            assert part.pixels[channel].tobytes() == values.tobytes()


def raw_part(header: Mapping[str, Any], pixels: Mapping[str, np.ndarray], name: str, *, linear: bool) -> Any:
    """A part without any code of ours; `linear` is a mark of a channel that only lossy packing looks at."""
    channels = {n: OpenEXR.Channel(n, values, 1, 1, linear) for n, values in pixels.items()}
    return OpenEXR.Part(dict(header), channels, name)


def exr_type(pixels: np.ndarray) -> str:
    return {np.dtype(v): k for k, v in TYPES.items()}[pixels.dtype]


def test_half_is_rounded_to_nearest_and_clipped_rather_than_infinite(tmp_path: Path) -> None:
    picture = exr.read(save(tmp_path / "in.exr", rgb((1, 4), "half")))
    new = np.zeros((1, 4, 3), np.float32)
    new[0, :, 0] = 1e9, -1e9, 65519.9, 1 + 1.6 / 1024

    exr.write(tmp_path / "out.exr", picture, exr.replaced({picture.layout().planes["color"]: new}, {}))

    stored = exr.read(tmp_path / "out.exr").parts[0].pixels["R"]
    assert stored.dtype == np.float16
    assert stored.tolist() == [[65504.0, -65504.0, 65504.0, 1 + 2 / 1024]]


def test_frame_survives_a_file(tmp_path: Path, noisy_frame: Any) -> None:
    frame = Frame(noisy_frame(0, size=(5, 3)).planes, {"spp": 8, "renderer": "é 3.9", "k": 0.5})

    exr.write_frame(tmp_path / "f.exr", frame)
    again = exr.read_frame(tmp_path / "f.exr")

    assert again.attributes == frame.attributes
    assert again.planes.keys() == frame.planes.keys()
    for name, plane in frame.planes.items():
        exact = name in ("color", "depth")
        expected = plane if exact else plane.astype(np.float16).astype(np.float32)
        assert again.planes[name].dtype == np.float32
        np.testing.assert_array_equal(again.planes[name], expected)


def test_guides_of_another_window_are_moved_onto_the_color(tmp_path: Path) -> None:
    def window(left: int, top: int, size: tuple[int, int]) -> dict[str, Any]:
        corners = (xy(left, top), xy(left + size[1] - 1, top + size[0] - 1))
        return {**PLAIN, "dataWindow": corners, "displayWindow": (xy(0, 0), xy(9, 9))}

    depth = np.arange(6, dtype=np.float32).reshape(2, 3) + 1
    color = OpenEXR.Part(window(10, 10, (3, 4)), rgb((3, 4)), "color")
    guide = OpenEXR.Part(window(9, 11, (2, 3)), {"depth.Z": depth}, "depth")
    OpenEXR.File([color, guide]).write(str(tmp_path / "in.exr"))

    moved = exr.read_frame(tmp_path / "in.exr").planes["depth"][..., 0]

    assert moved.tolist() == [[0, 0, 0, 0], [2, 3, 0, 0], [5, 6, 0, 0]]


def test_guides_outside_the_color_are_zero(tmp_path: Path) -> None:
    far = (xy(100, 100), xy(101, 101))
    header = {**PLAIN, "displayWindow": (xy(0, 0), xy(9, 9))}
    color = OpenEXR.Part(dict(header), rgb((3, 4)), "color")
    guide = OpenEXR.Part({**header, "dataWindow": far}, {"depth.Z": np.ones((2, 2), np.float32)}, "depth")
    OpenEXR.File([color, guide]).write(str(tmp_path / "in.exr"))

    assert not exr.read_frame(tmp_path / "in.exr").planes["depth"].any()


def test_dwa_part_is_packed_as_zip_where_it_keeps_a_channel_that_dwa_would_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    smooth = {f"light.{c}": random_smooth(i) for i, c in enumerate("RGB")}
    channels = {**{c: random_smooth(i) for i, c in enumerate("RGB")}, **smooth}
    picture = exr.read(save(tmp_path / "in.exr", channels, compression=OpenEXR.DWAA_COMPRESSION))
    taken = picture.layout().planes["color"]

    exr.write(
        tmp_path / "out.exr", picture, exr.replaced({taken: exr.frame(picture, picture.layout()).color}, {})
    )

    again = exr.read(tmp_path / "out.exr").parts[0]
    assert again.compression == "ZIP"
    assert all(again.pixels[n].tobytes() == picture.parts[0].pixels[n].tobytes() for n in smooth)
    assert "packed as ZIP" in caplog.text


def test_dwa_part_stays_dwa_where_only_color_and_alpha_are_in_it(tmp_path: Path) -> None:
    channels = {**rgb((32, 32), "half"), "A": random_pixels("half", (32, 32))}
    picture = exr.read(save(tmp_path / "in.exr", channels, compression=OpenEXR.DWAB_COMPRESSION))
    color = exr.frame(picture, picture.layout()).color

    exr.write(tmp_path / "out.exr", picture, exr.replaced({picture.layout().planes["color"]: color}, {}))

    again = exr.read(tmp_path / "out.exr").parts[0]
    assert again.compression == "DWAB"
    assert again.pixels["A"].tobytes() == channels["A"].tobytes()


def test_dwa_packs_as_hard_as_it_did(tmp_path: Path) -> None:
    sizes = []
    for level in (20.0, 400.0):
        channels = {c: random_smooth(i).astype(np.float16) for i, c in enumerate("RGB")}
        compression = {"compression": OpenEXR.DWAA_COMPRESSION, "dwaCompressionLevel": level}
        picture = exr.read(save(tmp_path / "in.exr", channels, **compression))
        layout = picture.layout()
        color = exr.frame(picture, layout).color
        exr.write(tmp_path / "out.exr", picture, exr.replaced({layout.planes["color"]: color}, {}))
        sizes.append((tmp_path / "out.exr").stat().st_size)
    assert sizes[0] > 1.3 * sizes[1]


def random_smooth(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (np.linspace(0, 3, 32 * 32).reshape(32, 32) + rng.random((32, 32))).astype(np.float32)


def test_attributes_of_unknown_and_rare_types_survive(tmp_path: Path) -> None:
    extra = b"".join(
        name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in [
            (b"studio", b"ourownkind", b"\1\2\0\3"),
            (b"matrix", b"m44d", struct.pack("<16d", *[i / 3 for i in range(16)])),
            (b"rate", b"rational", struct.pack("<iI", -3, 7)),
            (b"thumb", b"preview", struct.pack("<II", 1, 1) + b"abcd"),
            (b"views", b"stringvector", struct.pack("<i", 4) + b"left"),
        ]
    )
    path = insert_attributes(save(tmp_path / "in.exr", rgb()), extra)
    picture = exr.read(path)

    taken = picture.layout().planes["color"]
    exr.write(tmp_path / "out.exr", picture, exr.replaced({taken: np.ones((3, 7, 3), np.float32)}, {}))

    written = (tmp_path / "out.exr").read_bytes()
    for chunk in (b"ourownkind\0\4\0\0\0\1\2\0\3", extra[extra.index(b"m44d") :][:137], b"abcd", b"left"):
        assert chunk in written


def insert_attributes(path: Path, attributes: bytes) -> Path:
    """Put raw attributes at the end of a one-chunk file's header."""
    file = path.read_bytes()
    offset = exr_offset_table(file)
    first = struct.unpack_from("<Q", file, offset)[0] + len(attributes)
    path.write_bytes(file[: offset - 1] + attributes + b"\0" + struct.pack("<Q", first) + file[offset + 8 :])
    return path


def exr_offset_table(file: bytes) -> int:
    """Where the header ends: the first chunk's offset minus the table of one entry."""
    for position in range(8, len(file) - 8):
        if struct.unpack_from("<Q", file, position)[0] == position + 8:
            return position
    raise AssertionError("no offset table")


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_failed_write_leaves_no_part_file_and_the_old_file_whole(tmp_path: Path) -> None:
    frame = Frame({"color": np.random.default_rng(0).random((200, 200, 3), np.float32)})
    target = tmp_path / "f.exr"
    target.write_bytes(b"old")

    with (
        file_size_limit(100_000),
        pytest.raises(ExrError, match=r"f\.exr: can't be written: File too large; free"),
    ):
        exr.write_frame(target, frame)

    assert [p.name for p in tmp_path.iterdir()] == ["f.exr"]
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("target", ["/proc/f.exr", "/nowhere/f.exr", "/etc/passwd/f.exr"])
def test_unwritable_place_is_an_error_with_its_path(target: str) -> None:
    with pytest.raises(ExrError, match=f"^{target}: can't be written: .*; choose another folder$"):
        exr.write_frame(Path(target), Frame({"color": np.zeros((1, 1, 3), np.float32)}))


def test_integers_are_refused_as_color(tmp_path: Path) -> None:
    path = save(tmp_path / "in.exr", {c: np.ones((2, 2), np.uint32) for c in "RGB"})

    with pytest.raises(FrameError, match=r"in\.exr: R, G, B are integers, not radiance"):
        exr.read_frame(path)


@pytest.mark.parametrize(("keep", "said"), [
    (0, "the file is empty"),
    (3, "damaged or cut off"),
    (6, "damaged or cut off"),
    (40, "damaged or cut off"),
    (200, "damaged or cut off"),
    (-1, "ends within its pixels"),
    (-5000, "ends within its pixels"),
])  # fmt: skip
def test_cut_off_file_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], keep: int, said: str
) -> None:
    path = save(tmp_path / "in.exr", rgb((64, 64)))
    path.write_bytes(path.read_bytes()[: keep or 0 if keep >= 0 else keep])

    with pytest.raises(ExrError, match=f"^{path}: .*{said}"):
        exr.read(path)

    assert capfd.readouterr() == ("", "")


def test_missing_part_of_a_damaged_file_is_not_dropped(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    packable = np.random.default_rng(0).integers(0, 9, (64, 64)).astype(np.float32)
    parts = [OpenEXR.Part(dict(PLAIN), rgb((64, 64)), "one")]
    parts.append(OpenEXR.Part(dict(PLAIN), {"depth.Z": packable}, "two"))
    path = tmp_path / "in.exr"
    OpenEXR.File(parts).write(str(path))
    file = bytearray(path.read_bytes())
    file[-300:-200] = bytes(100)  # within the packed pixels of the last part
    path.write_bytes(file)

    first, second = exr.read(path).parts

    assert first.pixels.keys() == set("RGB")
    with pytest.raises(ExrError, match="damaged"):
        assert second.pixels
    assert capfd.readouterr() == ("", ""), "the library's own talk reached the terminal"


@pytest.mark.parametrize(("flag", "said"), [(0x800, "deep data isn't handled"), (1, "EXR version 3")])
def test_file_of_another_kind_is_refused_before_the_library_sees_it(
    tmp_path: Path, flag: int, said: str
) -> None:
    path = save(tmp_path / "in.exr", rgb())
    file = bytearray(path.read_bytes())
    file[4:8] = struct.pack("<I", struct.unpack("<I", file[4:8])[0] + flag)
    path.write_bytes(file)

    with pytest.raises((ExrError, FrameError), match=said):
        assert exr.read(path).layout()


def test_huge_window_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = save(tmp_path / "in.exr", rgb())
    file = path.read_bytes()
    place = file.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    path.write_bytes(file[:place] + struct.pack("<4i", 0, 0, 2**20, 2**20) + file[place + 16 :])

    with pytest.raises(ExrError, match=r"in\.exr: damaged .*it declares \d+ bytes of pixels"):
        exr.read(path)


def test_text_that_is_not_utf8_is_kept(tmp_path: Path) -> None:
    layer = {f"Andr\N{LATIN SMALL LETTER E WITH ACUTE}.{c}": plane for c, plane in rgb().items()}
    path = save(tmp_path / "in.exr", layer, owner="Andr\N{LATIN SMALL LETTER E WITH ACUTE}")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xe9x"))
    picture = exr.read(path)

    taken = picture.layout().planes["color"]
    exr.write(tmp_path / "out.exr", picture, exr.replaced({taken: np.full((3, 7, 3), 2, np.float32)}, {}))

    assert taken.group == "André" + "x"
    again = exr.read(tmp_path / "out.exr")
    assert again.parts[0].head.attributes == picture.parts[0].head.attributes
    assert all((plane == 2).all() for plane in again.parts[0].pixels.values())


def test_missing_file_has_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match=r"no\.exr: no such file"):
        exr.read(tmp_path / "no.exr")


def test_folder_is_refused_as_one(tmp_path: Path) -> None:
    with pytest.raises(ExrError, match=r": is a folder; give the frames in it"):
        exr.read(tmp_path)


@pytest.mark.parametrize("file", ["bumpslope.exr", "uffizi_latlong_env-128.exr"])
def test_smaller_levels_are_made_anew_of_what_changed(shared_assets: Path, tmp_path: Path, file: str) -> None:
    picture = exr.read(shared_assets / "exr/oiio-testsuite/testsuite/maketx/ref" / file)
    old = picture.parts[0]
    name, kept = next(iter(old.types)), list(old.types)[1:]
    height, width = old.pixels[name].shape
    ramp = np.add.outer(np.arange(height), np.arange(width)).astype(np.float32) / 64

    exr.write(tmp_path / "out.exr", picture, {0: exr.Edit({name: ramp})})

    (new,) = exr.read(tmp_path / "out.exr").parts
    assert len(new.levels) == len(old.levels) > 5
    assert new.head.attributes == old.head.attributes
    for before, after in zip(old.levels, new.levels, strict=True):
        was, now = old.unpack(before), new.unpack(after)
        assert all(was[other].tobytes() == now[other].tobytes() for other in kept)
        y, x = (min(2 ** after.level[0], extent) for extent in (height, width))
        expected = ramp.reshape(height // y, y, width // x, x).mean((1, 3))
        np.testing.assert_allclose(now[name], expected, rtol=2e-3)


@pytest.mark.slow
def test_real_files_are_read_or_refused_in_one_line(
    shared_assets: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Damaged, deep, tiled, multi-part, multi-view and cryptomatte files; what is read is kept to the bit."""
    read = 0
    for path in sorted(p for p in (shared_assets / "exr").rglob("*") if p.is_file()):
        picture = read_or_refused(path)
        if isinstance(picture, ExrError):
            assert str(picture).startswith(f"{path}: ")
            assert str(picture).isprintable()
        else:
            read += 1
            exr.write(tmp_path / "out.exr", picture, {})
            assert (tmp_path / "out.exr").read_bytes() == path.read_bytes()
            assert_same(picture, exr.read(tmp_path / "out.exr"))
    assert read > 200
    assert capfd.readouterr() == ("", "")


def read_or_refused(path: Path) -> exr.Picture | ExrError:
    try:
        picture = exr.read(path)
        assert all(part.unread or part.pixels is not None for part in picture.parts)
    except ExrError as error:
        return error
    return picture


def assert_same(one: exr.Picture, other: exr.Picture) -> None:
    for before, after in zip(one.parts, other.parts, strict=True):
        assert (before.name, before.window, dict(before.types)) == (
            after.name,
            after.window,
            dict(after.types),
        )
        assert before.head.attributes == after.head.attributes
        if not before.unread:
            assert all(before.pixels[n].tobytes() == after.pixels[n].tobytes() for n in before.pixels)


def test_what_another_thread_tells_while_pixels_are_unpacked_reaches_the_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    capturing, told = threading.Event(), threading.Event()

    def unpacks() -> None:
        with _library._captured() as said:
            sys.stdout.write("of the library\n")
            capturing.set()
            told.wait(0.2)
        assert said == ["of the library"]

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(unpacks)
        capturing.wait()
        _terminal.say("Progress: 33%")
        _terminal.complain("frame 2: no picture")
        told.set()
        done.result()
    assert capfd.readouterr() == ("Progress: 33%\n", "mcdenoise: frame 2: no picture\n")
