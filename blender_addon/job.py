# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker as a child process of Blender's own Python: asked once, heard until it ends. Knows no bpy."""

import json
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
GRACE_SECONDS = 5
LAST_LINES = 12


class Job:
    """One request and its events, which a thread gathers; `end` may be called at any time."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        # -E and -s: what the user has set for his own Python is none of ours.
        self._process = subprocess.Popen(
            [sys.executable, "-E", "-s", "-m", "worker"],
            cwd=HERE,
            text=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **({"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}),
        )
        self._heard: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._said: deque[str] = deque(maxlen=LAST_LINES)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._gather)]
        for thread in self._threads:
            thread.start()
        self._process.stdin.write(json.dumps({**request, "search": sys.path}) + "\n")
        self._process.stdin.flush()

    @property
    def process_id(self) -> int:
        """Of the child."""
        return self._process.pid

    def events(self, *, wait: bool) -> Iterator[dict[str, Any]]:
        """What was said since the last time; with `wait`, all that will be said. The last event is `done` or
        `error`: a child that dies without either is an error too."""
        while True:
            try:
                event = self._heard.get(block=wait)
            except queue.Empty:
                return
            yield self._died() if event is None else event
            if event is None or event["event"] in ("done", "error"):
                return

    def end(self) -> None:
        """Kill it, if it still runs."""
        if self._process.poll() is None:
            # It ends with its stdin, and ends what it has started.
            self._process.stdin.close()
            try:
                self._process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(GRACE_SECONDS)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            stream.close()

    def _listen(self) -> None:
        for line in self._process.stdout:
            self._heard.put(json.loads(line))
        self._heard.put(None)

    def _gather(self) -> None:
        for line in self._process.stderr:
            self._said.append(line)
            sys.stderr.write(line)

    def _died(self) -> dict[str, Any]:
        code = self._process.wait()
        self._threads[1].join(GRACE_SECONDS)
        last = self._said[-1].strip() if self._said else "it said nothing"
        return {
            "event": "error",
            "error": f"the denoiser ended with code {code}: {last}; the console has more",
        }
