"""Thinkbox Deadline 10, by its CommandLine plugin: a frame of Deadline's is a chunk of ours.

Source: docs.thinkboxsoftware.com, Deadline 10, Manual Job Submission. Arguments are split as Windows does it:
double quotes, no escapes.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from mcdenoise.commands._farms import Shot, refuse_render
from mcdenoise.errors import UsageError

HELP = "job and plugin info files for deadlinecommand: Deadline 10"
JOB, PLUGIN = "job_info.job", "plugin_info.job"


def texts(shot: Shot) -> dict[str, str]:
    """Both files.

    Raises:
        UsageError: a path or a flag has what Deadline would replace or split, or it is to render too.
    """
    refuse_render(shot, "deadline10", "add JobDependencies=ID to job_info.job, with the render job's")
    program, *words = shot.command("<STARTFRAME>", "deadline")
    job = {
        "Plugin": "CommandLine",
        "Name": shot.name,
        "Frames": f"0-{shot.chunks - 1}",
        "ChunkSize": 1,
        "OutputDirectory0": shot.out_folder,
    }
    plugin = {"Executable": program, "Arguments": " ".join(map(_quoted, words))}
    return {JOB: _lines(job), PLUGIN: _lines(plugin)}


def then(_: Shot, folder: Path) -> str:
    """Deadline's own submitter."""
    return shlex.join(["deadlinecommand", str(folder / JOB), str(folder / PLUGIN)])


def _lines(values: Mapping[str, object]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _quoted(word: str) -> str:
    own = word.replace("<STARTFRAME>", "")
    if re.search(r'["<>\n]', own) or own.endswith("\\"):
        raise UsageError(
            f"farm export deadline10: {word!r}: has what Deadline reads in its own way; rename it"
        )
    return f'"{word}"' if re.search(r"\s", word) else word
