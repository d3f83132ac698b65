# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes its time, as generators: each `yield` lets Blender go on. One at a time; Esc ends it.

From a script or `blender -b` an operator goes through at once; in a window it takes a step at each tick.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import bpy

from .job import Job
from .worker.errors import WorkError

TICK_SECONDS = 0.1

# Yields "" to wait, or text to show; returns what is reported at the end.
Steps = Iterator[str]


class Flow:
    """An operator's base: `steps` is the work, `is_blocking` says whether it may wait."""

    bl_options: ClassVar[set[str]] = {"REGISTER"}
    running: ClassVar["Flow | None"] = None

    is_blocking = True
    _job: Job | None = None
    _timer: bpy.types.Timer | None = None
    _steps: Steps

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """One at a time."""
        if Flow.running:
            cls.poll_message_set("mcdenoise is at work; Esc ends it")
        return not Flow.running

    def steps(self, context: bpy.types.Context) -> Steps:
        """The work; raises `WorkError`. Undo and users may replace what is in the file between two steps."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """All at once."""
        self._begin(context, blocking=True)
        try:
            for _ in self._steps:
                pass
        except WorkError as error:
            return self._failed(context, str(error))
        finally:
            self._end(context)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Step by step, while Blender stays usable."""
        self._begin(context, blocking=False)
        self._timer = context.window_manager.event_timer_add(TICK_SECONDS, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """A tick, or a key."""
        if Flow.running is not self:  # ended by `stop_all`
            return {"CANCELLED"}
        if event.type == "ESC" and event.value == "PRESS":
            self._end(context)
            self._say(context, "cancelled")
            self.report({"WARNING"}, "mcdenoise: cancelled")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        goes_on = False
        try:
            while next(self._steps):
                pass
            goes_on = True
        except StopIteration:
            return {"FINISHED"}
        except WorkError as error:
            return self._failed(context, str(error))
        finally:
            if not goes_on:
                self._end(context)
        return {"PASS_THROUGH"}

    def ask(self, context: bpy.types.Context, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of a job; an empty one while there is none.

        Raises:
            WorkError: the job failed.
        """
        self._job, start = Job(request), time.monotonic()
        while True:
            for event in self._job.events(wait=self.is_blocking):
                if event["event"] == "error":
                    raise WorkError(event["error"])
                if event["event"] == "progress":
                    self._say(context, _progress(event, time.monotonic() - start), event["done"])
                yield event
                if event["event"] == "done":
                    self._job.end()
                    return
            yield {"event": ""}

    def finish(self, context: bpy.types.Context, text: str) -> None:
        """What is said at the end."""
        self._say(context, text)
        self.report({"INFO"}, f"mcdenoise: {text}")

    def _begin(self, context: bpy.types.Context, *, blocking: bool) -> None:
        Flow.running, self.is_blocking = self, blocking
        context.window_manager.mcdenoise.is_running = True
        self._say(context, "starting")
        self._steps = self.steps(context)

    def _end(self, context: bpy.types.Context) -> None:
        """Whatever happens: the child is gone, settings are given back."""
        self._steps.close()
        if self._job:
            self._job.end()
        if self._timer:
            context.window_manager.event_timer_remove(self._timer)
        self._timer = Flow.running = None
        context.window_manager.mcdenoise.is_running = False

    def _failed(self, context: bpy.types.Context, text: str) -> set[str]:
        self._say(context, text)
        self.report({"ERROR"}, text)
        return {"CANCELLED"}

    def _say(self, context: bpy.types.Context, text: str, share: float = 0.0) -> None:
        status = context.window_manager.mcdenoise
        status.text, status.share = text, share
        for window in context.window_manager.windows:
            for area in window.screen.areas:
                if area.type in ("IMAGE_EDITOR", "PROPERTIES"):
                    area.tag_redraw()


def _progress(event: Mapping[str, Any], seconds: float) -> str:
    """What is done, and how long it will take if it goes on so."""
    doing = event.get("doing") or (
        f"frame {event['frame']} of {event['of']}" if event["of"] > 1 else "denoising"
    )
    if not event["done"]:
        return str(doing)
    left = round(seconds * (1 - event["done"]) / event["done"])
    return f"{doing}, {left // 60}:{left % 60:02} left"


def stop_all() -> None:
    """End what runs: the extension is switched off, another file is opened, or settings would be undone."""
    if running := Flow.running:
        running._end(bpy.context)
        running._say(bpy.context, "cancelled")
