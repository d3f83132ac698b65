"""A job script for Pixar's Tractor (and Alfred): a task a chunk.

Source: rmanwiki.pixar.com/display/TRA/Job+Scripting. A launch expression is a list of Tcl that is tokenized
once and run without a shell.
"""

import re
import shlex
from pathlib import Path

from mcdenoise import sequence
from mcdenoise.commands._farms import Shot, refuse_render
from mcdenoise.errors import UsageError

HELP = "a job script for tractor-spool: Tractor"
NAME = "mcdenoise.alf"
PLAIN = re.compile(r"[\w./=:,@%+-]+")


def texts(shot: Shot) -> dict[str, str]:
    """The script.

    Raises:
        UsageError: a path or a flag can't be written in Tcl's braces, or it is to render too.
    """
    refuse_render(shot, "tractor", "give the render's Task as -subtasks")
    tasks = [
        f"  Task {_braced(f'frames {sequence.ranged(shot.chunk(index))}')} -cmds {{\n"
        f"    RemoteCmd {{{_tcl_list(shot.command(str(index), 'alfred'))}}} -service {{PixarRender}}\n  }}"
        for index in range(shot.chunks)
    ]
    head = f"Job -title {_braced(shot.name)} -subtasks {{"
    return {NAME: "\n".join(["##AlfredToDo 3.0", head, *tasks, "}", ""])}


def then(_: Shot, folder: Path) -> str:
    """Tractor's own spooler."""
    return shlex.join(["tractor-spool", str(folder / NAME)])


def _tcl_list(words: list[str]) -> str:
    return " ".join(word if PLAIN.fullmatch(word) else _braced(word) for word in words)


def _braced(word: str) -> str:
    if re.search(r"[{}\\\n]", word):
        raise UsageError(f"farm export tractor: {word!r}: braces and backslashes mean something else there")
    return f"{{{word}}}"
