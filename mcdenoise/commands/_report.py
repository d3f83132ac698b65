"""What became of each frame, and the file that says so."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mcdenoise import __version__, files
from mcdenoise.commands._jobs import Job
from mcdenoise.errors import McdenoiseError, UsageError

FORMAT = 1
# The exit code that tells a farm to add samples.
NEEDS_SAMPLES = 4


@dataclass(frozen=True)
class Outcome:
    """How a frame ended: `denoised`, `skipped`, `failed`, `missing`, or `left` if it wasn't come to."""

    job: Job
    status: str
    seconds: float = 0.0
    error: str = ""
    exit_code: int = 0
    expected_error: float | None = None
    needs_samples: bool = False

    @classmethod
    def failed(cls, job: Job, error: McdenoiseError, *, status: str = "failed") -> "Outcome":
        """A frame that `error` cost."""
        return cls(job, status, error=str(error), exit_code=error.exit_code)

    def for_json(self) -> dict[str, Any]:
        """Its entry in the report."""
        told: dict[str, Any] = {"source": str(self.job.source), "target": str(self.job.target)}
        told |= {"frame": self.job.number} if self.job.pattern else {}
        told |= {"status": self.status, "seconds": round(self.seconds, 3)}
        if self.expected_error is not None:
            told |= {"expected_error": self.expected_error, "needs_samples": self.needs_samples}
        return told | ({"error": self.error} if self.error else {})


@dataclass
class Report:
    """The outcomes of a run as they come in."""

    jobs: Sequence[Job]
    started: float = field(default_factory=time.time)
    outcomes: dict[Job, Outcome] = field(default_factory=dict)

    @property
    def failures(self) -> list[Outcome]:
        """In the order of the frames."""
        ended = (self.outcomes.get(job) for job in self.jobs)
        return [outcome for outcome in ended if outcome and outcome.error]

    @property
    def exit_code(self) -> int:
        """0 without failures, 4 if a frame needs more samples then; the failures' own where nothing succeeded
        and they agree; else 1."""
        codes = {outcome.exit_code for outcome in self.failures}
        if len(self.failures) == len(self.jobs) and len(codes) == 1:
            return codes.pop()
        if not codes and any(outcome.needs_samples for outcome in self.outcomes.values()):
            return NEEDS_SAMPLES
        return min(len(codes), 1)

    def write(self, path: Path, arguments: argparse.Namespace) -> None:
        """The report as JSON, whole or not at all.

        Raises:
            UsageError: nothing can be written there.
        """
        told = [self.outcomes.get(job) or Outcome(job, "left") for job in self.jobs]
        content = {
            "format": FORMAT, "mcdenoise": __version__, "model": arguments.model,
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - self.started, 3),
            "counts": Counter(outcome.status for outcome in told),
            "frames": [outcome.for_json() for outcome in told],
        }  # fmt: skip
        try:
            with files.whole(path) as part:
                part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"--report {path}: can't be written: {error.strerror}; choose another"
            ) from error
