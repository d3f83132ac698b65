"""Blender as a child process: where it is, how it is asked, and that it ends."""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mcdenoise.errors import SceneError, UsageError

VARIABLE = "MCDENOISE_BLENDER"
PROGRAM = Path(__file__).with_name("_in_blender.py")
# Before each answer, since Blender prints on the same stream until our program runs.
MARK = "@mcdenoise "
# Blender tells what it is about several times per render; one that is silent for so long hangs.
SILENCE_SECONDS = 900
GRACE_SECONDS = 3
# Of both streams, which come in any order.
LAST_LINES = 6

_CURE = (
    "install Blender 4.2 or newer, or its module: "
    "python3.11 -m venv bpy-venv && bpy-venv/bin/pip install 'bpy==5.0.*'; "
    f"then set {VARIABLE} to the path of blender, or of bpy-venv/bin/python"
)


def find() -> str:
    """The program to start: what MCDENOISE_BLENDER names, else `blender`, else this Python if it has bpy.

    Raises:
        UsageError: there is none.
    """
    if asked := os.environ.get(VARIABLE):
        if not (program := shutil.which(asked)):
            raise UsageError(f"{VARIABLE}={asked}: no such program; {_CURE}")
        return program
    if program := shutil.which("blender"):
        return program
    if find_spec("bpy"):
        return sys.executable
    raise UsageError(f"Blender: not found, and .blend files need it; {_CURE}")


def command_line(program: str, scene: Path) -> list[str]:
    """How to start our program in a Python that has bpy, or in Blender, whose name tells it from a Python."""
    words = [MARK, str(scene.resolve())]
    if "python" in Path(program).name.lower():
        # -P: beside our program lies a cycles.py, and Blender has a module of that name.
        return [program, "-P", str(PROGRAM), *words]
    return [program, "--background", "--factory-startup", "--python", str(PROGRAM), "--", *words]


class Child:
    """A Blender that has one file open. It ends with `close`, and by itself once we are gone."""

    def __init__(self, scene: Path) -> None:
        self._scene = scene
        self._process = _start(command_line(find(), scene))
        self._heard: queue.Queue[str | None] = queue.Queue()
        self._said: deque[str] = deque(maxlen=LAST_LINES)
        streams = [stream for stream in (self._process.stdout, self._process.stderr) if stream]
        self._listeners = [threading.Thread(target=self._listen, args=(s,), daemon=True) for s in streams]
        self._open_streams = len(streams)
        for listener in self._listeners:
            listener.start()

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, do: str, **what: Any) -> Any:
        """What it answers; see the methods of `Stage` in `_in_blender`.

        Raises:
            SceneError: it can't do that; or it ended, is silent, or isn't understood, and is closed.
        """
        self._write({"do": do, **what})
        answer = self._answer(do)
        if "error" in answer:
            raise SceneError(f"{self._scene}: Blender failed to {do}: {_one_line(answer['error'])}")
        return answer.get("done")

    def close(self) -> None:
        """End it, whatever it does; may be called again."""
        with contextlib.suppress(OSError):
            assert self._process.stdin
            self._process.stdin.close()  # it then ends by itself, and removes its own temporary files
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for listener in self._listeners:
            listener.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream
            stream.close()

    def _write(self, request: dict[str, Any]) -> None:
        # One that is gone is told by what it doesn't answer.
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def _answer(self, do: str) -> dict[str, Any]:
        for line in self._lines(do):
            if line.startswith(MARK):
                return self._understood(line.removeprefix(MARK))
            if line.strip():
                self._said.append(_one_line(line))
        self.close()
        code = self._process.returncode
        raise SceneError(
            f"{self._scene}: Blender ended (exit code {code}) when asked to {do}{self._last_words}"
        )

    def _lines(self, do: str) -> Iterator[str]:
        """What it prints from now on, to the end of both streams."""
        while self._open_streams:
            try:
                line = self._heard.get(timeout=SILENCE_SECONDS)
            except queue.Empty:
                self.close()
                raise SceneError(
                    f"{self._scene}: Blender was silent for {SILENCE_SECONDS} s when asked to {do}, "
                    f"and was ended{self._last_words}"
                ) from None
            if line is None:
                self._open_streams -= 1
            else:
                yield line

    def _understood(self, text: str) -> dict[str, Any]:
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            return answer
        self.close()
        raise SceneError(f"{self._scene}: Blender's answer isn't understood: {_one_line(text)[:200]}")

    @property
    def _last_words(self) -> str:
        return f"; it said last: {' / '.join(self._said)}" if self._said else "; it said nothing"

    def _listen(self, stream: Iterable[str]) -> None:
        try:
            for line in stream:
                self._heard.put(line)
        finally:
            self._heard.put(None)


def _start(words: list[str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(  # noqa: S603 - the program that the user named
            words, encoding="utf-8", errors="replace",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        raise UsageError(f"{words[0]}: can't be started: {error.strerror}; {_CURE}") from error


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
