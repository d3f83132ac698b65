"""`mcdenoise demo`: a real server, asked as anyone could ask it, and used in a real browser."""

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from mcdenoise import exr, metrics
from mcdenoise.__main__ import main
from mcdenoise.commands import demo
from mcdenoise.frame import Frame

pytest.importorskip("tornado", reason="needs mcdenoise[demo]")

from mcdenoise.commands._web import KEPT, MOST

EXAMPLE = Path(__file__).parent.parent / "examples" / "frame.exr"
MakeFrame = Callable[..., Frame]


@dataclass(frozen=True)
class Server:
    """A demo in a process of its own, whose temporary folder lies in `folder`."""

    process: "subprocess.Popen[str]"
    address: str
    folder: Path

    @property
    def port(self) -> int:
        return int(urllib.parse.urlsplit(self.address).port or 0)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """The status and what was answered; a header's `_` stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=280)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def put(self, where: str, content: bytes, name: str = "frame.exr") -> dict[str, Any]:
        """All events of the answer in one."""
        _, told = self.ask("PUT", f"{where}?name={urllib.parse.quote(name)}", content)
        return {key: value for line in told.splitlines() for key, value in json.loads(line).items()}

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@contextmanager
def running(folder: Path, *words: str, most: str = "unlimited", **environment: str) -> Iterator[Server]:
    """A demo that can write files of so many half KiB at most."""
    demo = [sys.executable, "-m", "mcdenoise", "demo", "--device", "cpu", *words]
    command = ["sh", "-c", f'ulimit -f {most}; exec "$@"', "sh", *demo]
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", **environment}
    with (
        (folder.parent / "told").open("w") as told,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True, env=environment) as process,
    ):
        try:
            assert process.stdout
            yield Server(process, process.stdout.readline().split()[0], folder)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("demo") / "files"
    folder.mkdir()
    with running(folder, "--no-browser") as found:
        yield found


def bytes_of(folder: Path, frame: Frame, name: str = "frame.exr") -> bytes:
    exr.write_frame(folder / name, frame)
    return (folder / name).read_bytes()


# ---- who may ask for what ----


def test_page_is_there_for_this_machine_under_one_address_only(server: Server) -> None:
    status, page = server.ask("GET", "/")
    assert status == 200
    assert b"<title>mcdenoise</title>" in page
    with pytest.raises(ConnectionRefusedError):  # of this machine too; 0.0.0.0 would answer
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("evil.example", 404), ("127.0.0.1.evil.example", 404), ("", 404)],
)
def test_another_name_for_the_loopback_gets_nothing(server: Server, host: str, status: int) -> None:
    assert server.ask("GET", "/", Host=f"{host}:{server.port}")[0] == status


def test_page_of_another_origin_can_have_nothing_denoised(server: Server) -> None:
    before = server.files()
    status, told = server.ask("PUT", "/frame?name=a.exr", b"abc", Origin="http://evil.example")
    assert status == 403
    assert json.loads(told) == {"error": "demo: only this page may ask"}
    assert server.files() == before
    own = f"http://127.0.0.1:{server.port}"
    assert server.ask("PUT", "/frame?name=a.exr", b"abc", Origin=own)[0] == 200


def test_file_that_is_too_large_is_refused_before_it_comes(server: Server) -> None:
    before = server.files()
    status, told = server.ask("PUT", "/frame?name=a.exr", b"abc", Content_Length=str(MOST + 1))
    assert status == 413
    assert json.loads(told)["error"].endswith("has more than 1024 MiB; use mcdenoise in a terminal")
    assert server.files() == before


@pytest.mark.parametrize(
    "name", ["../../../evil.exr", "/tmp/evil.exr", "..\\evil.exr", "<b>\r\n.exr", "x" * 999, ""]
)
def test_file_is_written_into_the_temporary_folder_whatever_its_name(server: Server, name: str) -> None:
    told = server.put("/frame", b"no picture", name)
    assert re.fullmatch(r"[\w.-]+: not an OpenEXR file; give an \.exr file", told["error"])
    (written,) = [path for path in server.files() if told["token"] in path.parts]
    assert written.parent.parent.parent.name.startswith("mcdenoise-demo-")
    assert written.read_bytes() == b"no picture"


@pytest.mark.parametrize("path", ["/files/../../../etc/passwd", "/files/%2e%2e/%2e%2e/etc/passwd", "/files/"])
def test_nothing_outside_the_folder_can_be_read(server: Server, path: str) -> None:
    assert server.ask("GET", path)[0] in (403, 404)


def test_files_of_older_frames_are_removed(server: Server) -> None:
    first, *_, last = (server.put("/frame", b"no picture")["token"] for _ in range(KEPT + 1))
    folders = {path.parts[-3] for path in server.files()}
    assert len(folders) == KEPT
    assert first not in folders
    assert last in folders
    told = server.put(f"/reference/{first}", b"no picture")
    assert told == {"error": "demo: this frame isn't kept any more; take it again"}


# ---- the command ----


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_demo_stopped_at_work_leaves_no_file_and_had_opened_the_browser(
    tmp_path: Path, stop: signal.Signals, code: int
) -> None:
    (tmp_path / "files").mkdir()
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    with running(tmp_path / "files", BROWSER=str(browser)) as server:
        left = http.client.HTTPConnection("127.0.0.1", server.port)
        left.request("PUT", "/frame?name=left.exr", EXAMPLE.read_bytes())
        assert b"token" in left.getresponse().readline()
        left.close()  # a page that is left
        server.put("/frame", EXAMPLE.read_bytes()[:1000])
        left.request("PUT", "/frame?name=stopped.exr", EXAMPLE.read_bytes())
        assert b"token" in left.getresponse().readline()
        server.process.send_signal(stop)
        assert server.process.wait(60) == code
        left.close()
        assert (tmp_path / "opened").read_text().strip() == server.address
    assert list((tmp_path / "files").iterdir()) == []
    assert (tmp_path / "told").read_text() == "mcdenoise: stopped\n"


@pytest.mark.slow
def test_file_that_finds_no_room_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    with running(tmp_path / "files", "--no-browser", most="1000") as server:
        told = server.put("/frame", EXAMPLE.read_bytes())
        assert told == {"error": "demo: frame.exr: can't be kept: File too large; free some space"}
        assert server.put("/frame", b"no picture")["error"].startswith("frame.exr: not an OpenEXR file")


def test_port_that_is_taken_is_one_line(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--no-browser", "--device", "cpu", "--port", str(server.port)]) == 2
    told = capsys.readouterr().err
    assert (
        told == f"mcdenoise: --port {server.port}: Address already in use; choose another, or leave it out\n"
    )


def test_without_tornado_the_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda _: None)
    assert main(["demo"]) == 2
    assert "pip install 'mcdenoise[demo]'" in capsys.readouterr().err


# ---- what comes of a frame ----


@pytest.mark.slow
def test_download_has_everything_that_the_frame_had(
    server: Server, tmp_path: Path, noisy_frame: MakeFrame
) -> None:
    color = noisy_frame(1).color
    ids = np.arange(color[..., 0].size, dtype=np.uint32).reshape(color.shape[:2])
    channels = {"RGB"[i]: np.ascontiguousarray(color[..., i]) for i in range(3)}
    first = OpenEXR.Part({"name": "beauty", "studio": "ours"}, {**channels, "id": ids})
    second = OpenEXR.Part({"name": "mask"}, {"mask": np.full(ids.shape, 0.5, np.float16)})
    OpenEXR.File([first, second]).write(str(tmp_path / "shot.0007.exr"))
    told = server.put("/frame", (tmp_path / "shot.0007.exr").read_bytes(), "shot.0007.exr")
    url, name = told["shown"]["download"]
    assert name == "shot_denoised.0007.exr"
    (tmp_path / name).write_bytes(server.ask("GET", url)[1])
    beauty, mask = OpenEXR.File(str(tmp_path / name), separate_channels=True).parts
    np.testing.assert_array_equal(beauty.channels["id"].pixels, ids)
    assert beauty.header["studio"] == "ours"
    assert beauty.header["mcdenoise.model"] == "standard"
    assert (mask.channels["mask"].pixels == 0.5).all()
    assert metrics.smape(exr.read_frame(tmp_path / name).color, color) > 0.01


@pytest.mark.slow
def test_half_that_is_of_another_frame_is_refused_and_forgotten(
    server: Server, tmp_path: Path, noisy_frame: MakeFrame
) -> None:
    token = server.put("/frame", bytes_of(tmp_path, noisy_frame(1)))["token"]
    other = bytes_of(tmp_path, noisy_frame(2, size=(8, 9)))
    told = server.put(f"/half/{token}", other, "other.exr")
    assert told["error"] == (
        "other.exr: its data window is (0, 0, 8, 7), the first half's (0, 0, 31, 23); render both alike"
    )
    told = server.put(f"/reference/{token}", other, "other.exr")
    assert told["error"] == "other.exr: is 9x8, the frame 32x24; compare pictures of one size"
    told = server.put(f"/reference/{token}", bytes_of(tmp_path, noisy_frame(0, sigma=0)))
    assert "expected" not in told["shown"]["pictures"][1]


# ---- in the browser ----


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """The page, where any error of its script and any request to elsewhere fails the test."""
    with browser.new_context(viewport={"width": 900, "height": 700}) as context:
        found = context.new_page()
        faults: list[str] = []
        found.on("pageerror", lambda error: faults.append(str(error)))
        found.on("request", lambda asked: asked.url.startswith(server.address) or faults.append(asked.url))
        found.goto(server.address)
        yield found
        assert faults == []


def wait(page: Any, title: str) -> None:
    """Until what was asked for is shown."""
    from playwright.sync_api import expect

    expect(page.locator("h1")).to_have_text(title, timeout=280_000)
    expect(page.locator("#status")).to_have_text("", timeout=280_000)
    expect(page.locator("#progress")).to_be_hidden()


def drop(page: Any, path: Path) -> None:
    """As a hand does it, anywhere on the page."""
    carried = page.evaluate_handle(
        """([name, text]) => {
          const carried = new DataTransfer();
          carried.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name));
          return carried;
        }""",
        [path.name, base64.b64encode(path.read_bytes()).decode()],
    )
    for event in ("dragover", "drop"):
        page.dispatch_event("body", event, {"dataTransfer": carried})


@pytest.mark.slow
def test_example_shows_progress_and_then_the_picture(page: Any) -> None:
    from playwright.sync_api import expect

    page.get_by_role("button", name="Take an example").click()
    expect(page.locator("#progress")).to_be_visible()
    wait(page, "example.exr")
    expect(page.get_by_role("alert")).to_have_text("")
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    expect(page.get_by_role("img")).to_have_accessible_name(
        re.compile("noisy left of the bar, denoised right")
    )


@pytest.mark.slow
def test_bad_file_is_one_line_in_the_page_and_the_last_frame_stays(
    page: Any, tmp_path: Path, noisy_frame: MakeFrame
) -> None:
    from playwright.sync_api import expect

    exr.write_frame(tmp_path / "good.exr", noisy_frame(1))
    (tmp_path / "bad.exr").write_bytes(b"no picture")
    drop(page, tmp_path / "good.exr")
    wait(page, "good.exr")
    drop(page, tmp_path / "bad.exr")
    expect(page.get_by_role("alert")).to_have_text("bad.exr: not an OpenEXR file; give an .exr file")
    expect(page.locator("h1")).to_have_text("good.exr")
    expect(page.get_by_role("img")).to_be_visible()


@pytest.mark.slow
def test_halves_and_reference_bring_error_maps_and_the_scores_of_evaluate(
    page: Any, tmp_path: Path, noisy_frame: MakeFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, frame in {"a": noisy_frame(1), "b": noisy_frame(2), "clean": noisy_frame(0, sigma=0)}.items():
        exr.write_frame(tmp_path / f"{name}.exr", frame)
    page.get_by_label("Frame (EXR").set_input_files(tmp_path / "a.exr")
    wait(page, "a.exr")
    kinds = page.get_by_role("combobox", name="Show").locator("option")
    assert kinds.all_inner_texts() == ["picture"]
    for label, name in (("Other half", "b"), ("Reference", "clean")):
        page.get_by_label(label).set_input_files(tmp_path / f"{name}.exr")
        wait(page, "a.exr")
    assert sorted(kinds.all_inner_texts()) == ["error", "expected error", "picture"]
    assert "expected error 0." in page.locator("#remark").inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "out.exr")
    capsys.readouterr()
    main(["evaluate", str(tmp_path / "out.exr"), "--reference", str(tmp_path / "clean.exr")])
    row = page.get_by_role("row", name="denoised").inner_text().split()
    assert row[1:] == capsys.readouterr().out.splitlines()[1].split()[1:]
    assert page.get_by_role("row", name="OIDN").count() == bool(find_spec("pyoidn"))
