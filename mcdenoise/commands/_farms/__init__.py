"""A module per farm, found by name. Each has `HELP`, `texts(shot) -> dict[str, str]`: its files by name, and
`then(shot, folder) -> str`: the command that hands them to the farm.

What a farm starts is always `mcdenoise denoise` with the flags that were given, a chunk of frames a task.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Never

from mcdenoise import sequence
from mcdenoise.commands import _jobs, denoise
from mcdenoise.errors import UsageError

# Enough that starting Python and loading the model, seconds, is little beside it.
CHUNK = 25


@dataclass(frozen=True)
class Shot:
    """A sequence to denoise on a farm: where it is and where it goes (empty: beside it), absolute; the flags
    as they were given; the renderer's command for a frame, with FRAME for its number, if there is one."""

    source: Path
    output: str
    flags: tuple[str, ...]
    numbers: tuple[int, ...]
    chunk_size: int
    render: str = ""

    @property
    def name(self) -> str:
        """What people will find in the farm's list."""
        return f"mcdenoise {self.source.name}"

    @property
    def chunks(self) -> int:
        """How many tasks."""
        return -(-len(self.numbers) // self.chunk_size)

    @property
    def out_folder(self) -> Path:
        """The folder that results are written to."""
        if not self.output:
            return self.source.parent
        return Path(self.output) if self.output.endswith("/") else Path(self.output).parent

    @property
    def given(self) -> list[str]:
        """What every task is told, but for its frames."""
        return [*([f"--output={self.output}"] if self.output else []), *self.flags]

    @property
    def without_steps(self) -> str:
        """The frames for farms that know no steps: `1-9`, or one by one."""
        ranges = sequence.ranged(self.numbers)
        return ",".join(map(str, self.numbers)) if "x" in ranges else ranges

    def chunk(self, index: int) -> tuple[int, ...]:
        """The frames of a task."""
        return self.numbers[index * self.chunk_size : (index + 1) * self.chunk_size]

    def command(self, index: str, progress: str = "auto") -> list[str]:
        """One task's `mcdenoise`; `index` is how the farm tells a task its number, from 0."""
        return [
            "mcdenoise", "denoise", str(self.source), f"--frames={sequence.ranged(self.numbers)}",
            *self.given, "--skip-existing", f"--progress-format={progress}",
            f"--chunk-size={self.chunk_size}", f"--chunk-index={index}",
        ]  # fmt: skip


class _Recording(argparse.ArgumentParser):
    """Knows its options, so that what was given can be written down again."""

    def add_argument(self, *names: str, **more: object) -> argparse.Action:
        """As always, and noted."""
        action: argparse.Action = super().add_argument(*names, **more)  # type: ignore[arg-type]
        self.options = [*getattr(self, "options", []), *([action] if action.option_strings else [])]
        return action

    def error(self, message: str) -> Never:
        """Raise UsageError in place of argparse's print and exit."""
        raise UsageError(f"farm export: after --: {message}; see `mcdenoise denoise --help`")


def shot(words: Sequence[str], render: str) -> Shot:
    """What the arguments of `mcdenoise denoise` mean on a farm.

    Raises:
        UsageError: they don't name one sequence and its frames, or can't be.
    """
    parser = _Recording(add_help=False)
    denoise.add_arguments(parser)
    given = parser.parse_args(list(words))
    _refuse(given)
    numbers = sequence.frames(given.numbers)
    size = given.chunk_size or CHUNK
    given.chunk_size = None
    _jobs.plan(given)  # refuses what no task could do
    source = given.frames[0].absolute()
    output = _output(given.output) if given.output else ""
    return Shot(source, output, tuple(_flags(parser, given)), tuple(sorted(set(numbers))), size, render)


def refuse_render(shot: Shot, farm: str, instead: str) -> None:
    """For farms whose jobs are written without a step before.

    Raises:
        UsageError: there is one.
    """
    if shot.render:
        raise UsageError(f"farm export {farm}: --render: isn't written here; {instead}")


def _refuse(given: argparse.Namespace) -> None:
    if len(given.frames) != 1 or not sequence.is_pattern(given.frames[0]) or given.numbers is None:
        raise UsageError("farm export: give one sequence and its frames: -- shot.####.exr --frames 1-100")
    for name in ("chunk_index", "report", "inplace"):
        if getattr(given, name) not in (None, False):
            raise UsageError(
                f"farm export: --{name.replace('_', '-')}: isn't for a farm's tasks; leave it out"
            )


def _output(output: str) -> str:
    """Where results go as `-o` wants it, wherever a task runs: a folder ends in a slash."""
    place = Path(output).absolute()
    return str(place) if sequence.is_pattern(output) else f"{place}/"


def _flags(parser: _Recording, given: argparse.Namespace) -> Iterator[str]:
    """The options that aren't at their default, but for those that a template sets."""
    for action in parser.options:
        value = getattr(given, action.dest)
        own = ("numbers", "output", "chunk_size", "skip_existing", "progress_format")
        if value == action.default or action.dest in own:
            continue
        flag = action.option_strings[-1]
        yield flag if action.nargs == 0 else f"{flag}={_jobs.found_anywhere(str(value))}"
