"""Blender's Flamenco 3: a job type, which the Manager gets once, and a job of that type for its API.

Source: flamenco.blender.org/usage/job-types, and `SubmittedJob` of its OpenAPI.
"""

import json
import shlex
import sys
from pathlib import Path

from mcdenoise.commands._farms import Shot, refuse_render
from mcdenoise.errors import UsageError

HELP = "a job type and a job for Flamenco 3"
TYPE, JOB = "mcdenoise-sequence.js", "job.json"


def texts(shot: Shot) -> dict[str, str]:
    """Both files.

    Raises:
        UsageError: negative frames, which Flamenco doesn't know, or it is to render too.
    """
    refuse_render(shot, "flamenco", "submit the render first; its job type knows no other")
    if shot.numbers[0] < 0:
        raise UsageError("farm export flamenco: --frames: negative frames are no frames there; renumber them")
    job = {
        "name": shot.name,
        "type": TYPE.removesuffix(".js"),
        "priority": 50,
        "submitter_platform": sys.platform,
        "settings": {
            "sequence": str(shot.source),
            "frames": shot.without_steps,
            "flags": json.dumps(shot.given),
            "chunk_size": shot.chunk_size,
        },
    }
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return {TYPE: script, JOB: json.dumps(job, indent=2) + "\n"}


def then(_: Shot, folder: Path) -> str:
    """The job type into the Manager's folder, then this."""
    what = ["--json", f"@{folder / JOB}", "http://MANAGER:8080/api/v3/jobs"]
    return f"cp {shlex.quote(str(folder / TYPE))} MANAGER/scripts/; {shlex.join(['curl', *what])}"
