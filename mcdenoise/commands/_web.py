"""The server of `mcdenoise demo`: one page, on the loopback only, with files in a temporary folder only.

A frame comes by PUT /frame, another half or a reference of it by PUT /half/TOKEN and /reference/TOKEN, each
with its name as `?name=`. The answer is a line of JSON per event: `token`, `step` with `done` and `of`, then
`shown` (see `mcdenoise.page.described`) or `error`. Only who took a frame knows its token.
"""

import asyncio
import json
import os
import re
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tornado import iostream, web
from tornado.httpserver import HTTPServer

from mcdenoise import page
from mcdenoise.commands._trial import Trial
from mcdenoise.errors import McdenoiseError, UsageError

if TYPE_CHECKING:
    from mcdenoise.engine import Denoiser

LOOPBACK = "127.0.0.1"
# A page of another origin can give its own name the loopback's address; then it says that name as the host.
HOSTS = r"(127\.0\.0\.1|localhost)"
# Bytes of a file that is taken.
MOST = 2**30
# Frames that are kept; an older one's files are removed.
KEPT = 4
EXAMPLE = resources.files("mcdenoise").joinpath("example.exr")


class Gone(BaseException):
    """Whoever asked wants it no more: no error, and nothing that catches those has to do with it."""


@dataclass
class Desk:
    """What all requests share."""

    folder: Path
    denoiser: "Denoiser"
    worker: ThreadPoolExecutor
    trials: dict[str, Trial] = field(default_factory=dict)
    closing: threading.Event = field(default_factory=threading.Event)

    def new(self) -> str:
        """The token of a new trial."""
        while len(self.trials) >= KEPT:
            shutil.rmtree(self.trials.pop(next(iter(self.trials))).folder, ignore_errors=True)
        token = secrets.token_urlsafe(16)
        self.trials[token] = Trial(self.folder / token)
        return token


def bind(port: int) -> socket.socket:
    """A socket on the loopback; port 0 takes a free one.

    Raises:
        UsageError: the port is taken, or not ours to take.
    """
    try:
        listening = socket.create_server((LOOPBACK, port))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise UsageError(f"--port {port}: {why}; choose another, or leave it out") from error
    listening.setblocking(False)
    return listening


def address(listening: socket.socket) -> str:
    """Where the page is."""
    return f"http://{LOOPBACK}:{listening.getsockname()[1]}/"


def serve(listening: socket.socket, denoiser: "Denoiser") -> None:
    """Serve until interrupted; what is being denoised then ends with its tile."""
    with _desk(denoiser) as desk:
        asyncio.run(_listen(listening, desk))


@contextmanager
def _desk(denoiser: "Denoiser") -> Iterator[Desk]:
    with tempfile.TemporaryDirectory(prefix="mcdenoise-demo-") as folder, ThreadPoolExecutor(1) as worker:
        desk = Desk(Path(folder), denoiser, worker)
        try:
            yield desk
        finally:
            desk.closing.set()


async def _listen(listening: socket.socket, desk: Desk) -> None:
    server = HTTPServer(application(desk), max_body_size=MOST)
    server.add_socket(listening)
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()
        await server.close_all_connections()


def application(desk: Desk) -> web.Application:
    """All there is to ask for."""
    found = web.Application([], log_function=lambda _: None)
    given = {"desk": desk}
    found.add_handlers(
        HOSTS,
        [
            (r"/", Page, given),
            (r"/example\.exr", Example, given),
            (r"/frame", Take, given),
            (r"/(half|reference)/([\w-]+)", Take, given),
            (r"/files/(.+)", web.StaticFileHandler, {"path": str(desk.folder)}),
        ],
    )
    return found


class Handler(web.RequestHandler):
    """Answers this page only; an error is a line of JSON."""

    def initialize(self, desk: Desk) -> None:
        """Tornado's constructor."""
        self.desk = desk

    def set_default_headers(self) -> None:
        """Nothing is guessed, framed or kept."""
        for name, value in (("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
                            ("Cache-Control", "no-store")):  # fmt: skip
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse what another origin's page asks for."""
        origin = self.request.headers.get("Origin")
        if origin and urlsplit(origin).netloc != self.request.host:
            raise web.HTTPError(403, "only this page may ask")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """What is wrong, for the page to show."""
        error = kwargs["exc_info"][1]
        message = getattr(error, "log_message", None) or HTTPStatus(status_code).phrase
        self.set_header("Content-Type", "application/json")
        self.finish(_line(error=f"demo: {message}"))


class Page(Handler):
    """The page itself."""

    def get(self) -> None:
        """Without pictures yet."""
        self.finish(page.html({"demo": {"most": MOST, "example": EXAMPLE.is_file()}}))


class Example(Handler):
    """A frame to try it with."""

    def get(self) -> None:
        """As it lies in the package."""
        self.set_header("Content-Type", "image/x-exr")
        self.finish(EXAMPLE.read_bytes())


@web.stream_request_body
class Take(Handler):
    """Takes a file while it comes, then says what comes of it."""

    _file: IO[bytes] | None = None
    _fault = ""
    _gone = False

    def prepare(self) -> None:
        """Before the first byte: whether it's wanted, and where it goes."""
        super().prepare()
        if self.request.method != "PUT":
            raise web.HTTPError(405)
        if int(self.request.headers.get("Content-Length", 0)) > MOST:
            raise web.HTTPError(
                413, f"the file has more than {MOST // 2**20} MiB; use mcdenoise in a terminal"
            )
        role, token = self.path_args or ("frame", self.desk.new())
        if token not in self.desk.trials:
            raise web.HTTPError(404, "this frame isn't kept any more; take it again")
        self._role, self._token, self._trial = role, token, self.desk.trials[token]
        self._path = self._trial.folder / role / _safe(self.get_query_argument("name"))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("wb")

    def data_received(self, chunk: bytes) -> None:
        """One piece of the file."""
        with self._noting_faults():
            if self._file:
                self._file.write(chunk)

    async def put(self, *_: str) -> None:
        """Do what is asked, and tell how far it is.

        Raises:
            HTTPError: there was no place for the file.
        """
        self._close()
        if self._fault:
            raise web.HTTPError(507, self._fault)
        events: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def say(**event: Any) -> None:
            if self._gone or self.desk.closing.is_set():
                raise Gone
            loop.call_soon_threadsafe(events.put_nowait, _line(**event))

        work = loop.run_in_executor(self.desk.worker, self._work, say)
        work.add_done_callback(lambda _: events.put_nowait(""))
        self.set_header("Content-Type", "application/x-ndjson")
        self.write(_line(token=self._token))
        try:
            await self.flush()
            while line := await events.get():
                self.write(line)
                await self.flush()
        except (iostream.StreamClosedError, asyncio.CancelledError):  # the page was left, or Ctrl-C
            self._gone = True
        with suppress(Gone, asyncio.CancelledError):
            await work

    def _work(self, say: Any) -> None:
        """In the worker's thread."""
        try:
            compared = self._trial.take(
                self._role,
                self._path,
                self.desk.denoiser,
                lambda step, done, of: say(step=step, done=done, of=of),
            )
            shown = page.described(compared, self._address)
        except McdenoiseError as error:
            say(error=str(error))
        except OSError as error:
            say(error=f"{self._path.name}: its pictures can't be kept: {error.strerror}; free some space")
        else:
            target = self._trial.target
            say(shown={**shown, "download": [self._url(target), target.name]})

    def _address(self, pixels: bytes) -> str:
        path = self._trial.folder / secrets.token_hex(8)
        path.write_bytes(pixels)
        return self._url(path)

    def _url(self, path: Path) -> str:
        return f"/files/{path.relative_to(self.desk.folder).as_posix()}"

    def on_connection_close(self) -> None:
        """The page was left, or another file was taken."""
        self._gone = True
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        with self._noting_faults():
            if file:
                file.close()

    @contextmanager
    def _noting_faults(self) -> Iterator[None]:
        """The rest of the file comes all the same, and then its answer goes."""
        try:
            yield
        except OSError as error:
            self._fault = f"{self._path.name}: can't be kept: {error.strerror}; free some space"


def _line(**event: Any) -> str:
    return json.dumps(event, allow_nan=False) + "\n"


def _safe(name: str) -> str:
    """A file's name, and no path, in characters that any system and header takes."""
    stem = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)[-100:]
    return stem if stem.lower().endswith(".exr") else f"{stem}.exr"
