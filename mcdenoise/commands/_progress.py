"""How far a run is, in the words that a farm listens for, on stdout, a line at a time."""

import json
from collections.abc import Callable, Iterator

from mcdenoise.commands import _terminal
from mcdenoise.commands._report import Outcome
from mcdenoise.errors import printable

Lines = Callable[[Outcome, int, int], Iterator[str]]


def _openjd(outcome: Outcome, ended: int, total: int) -> Iterator[str]:
    """Source: github.com/OpenJobDescription/openjd-specifications, wiki, How-Jobs-Are-Run."""
    if outcome.error:
        yield f"openjd_fail: {printable(outcome.error)}"
    yield f"openjd_status: {printable(outcome.job.source.name)} {outcome.status} ({ended}/{total})"
    yield f"openjd_progress: {100 * ended / total:.1f}"


def _deadline(_: Outcome, ended: int, total: int) -> Iterator[str]:
    yield f"Progress: {100 * ended // total}%"


def _alfred(_: Outcome, ended: int, total: int) -> Iterator[str]:
    yield f"ALF_PROGRESS {100 * ended // total}%"


def _json(outcome: Outcome, ended: int, total: int) -> Iterator[str]:
    yield json.dumps({"ended": ended, "total": total, **outcome.for_json()})


def _nothing(_: Outcome, __: int, ___: int) -> Iterator[str]:
    yield from ()


# `auto` is for people: a bar of tiles on a terminal, a line for each frame anywhere.
FORMATS: dict[str, Lines] = {
    "auto": _nothing, "openjd": _openjd, "deadline": _deadline, "alfred": _alfred, "json": _json,
    "none": _nothing,
}  # fmt: skip


def say(form: str, outcome: Outcome, ended: int, total: int) -> None:
    """Tell that one more frame has ended."""
    for line in FORMATS[form](outcome, ended, total):
        _terminal.say(line)
