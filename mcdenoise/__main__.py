"""The command line: finds the verb, runs it, and turns an error into one line and an exit code."""

import argparse
import atexit
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Never

from mcdenoise import __version__, commands, plugins
from mcdenoise.commands import _terminal
from mcdenoise.errors import McdenoiseError, UsageError

DEFAULT_VERB = "denoise"
ENTRY_POINTS = "mcdenoise.commands"
EXAMPLES = """\
examples:
  mcdenoise frame.exr                       writes frame_denoised.exr beside it
  mcdenoise frame.exr -o out.exr            names the result
  mcdenoise shot.*.exr -o clean/            many frames into a folder
  mcdenoise inspect frame.exr               says what would be taken for what
"""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaints are errors like all others."""

    def error(self, message: str) -> Never:
        """Raise UsageError in place of argparse's print and exit."""
        raise UsageError(f"{message}; see `{self.prog} --help`")


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which farms stop a task; nothing half written is left, as with Ctrl-C."""


def process() -> Never:
    """Run this process's command line, and end it: to take down all modules one by one, as Python does, would
    take the better part of a second once torch is there. What asked to be called at the end is called."""
    code = main()
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv` by default) and return its exit code."""
    try:
        with _ended_by_terminate():
            return _run(list(sys.argv[1:] if argv is None else argv))
    except McdenoiseError as error:
        _terminal.report(error)
        return error.exit_code
    except KeyboardInterrupt as stopped:
        _terminal.complain("stopped")
        return 128 + (signal.SIGTERM if isinstance(stopped, Terminated) else signal.SIGINT)
    except BrokenPipeError:  # `mcdenoise ... | head`: whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE


@contextlib.contextmanager
def _ended_by_terminate() -> Iterator[None]:
    """While it lasts SIGTERM raises; only the main thread can be told so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> Never:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        _terminal.say(_help())
        return 0 if arguments else UsageError.exit_code
    if arguments[0] == "--version":
        _terminal.say(f"mcdenoise {__version__}")
        return 0
    named = arguments[0] in _verbs()
    verb = arguments.pop(0) if named else DEFAULT_VERB
    if not named:
        _refuse_unknown_verb(arguments[0])
    return _run_verb(verb, arguments)


def _run_verb(verb: str, arguments: list[str]) -> int:
    command = _command(verb)
    parser = Parser(
        prog=f"mcdenoise {verb}",
        description=command.HELP,
        epilog=command.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log what is done; tracebacks of errors")
    command.add_arguments(parser)
    parsed = parser.parse_args(arguments)
    level = logging.DEBUG if parsed.verbose else logging.WARNING
    logging.basicConfig(level=logging.WARNING, format="mcdenoise: %(message)s")
    logging.getLogger("mcdenoise").setLevel(level)
    # Before torch is imported: its threads, at the end of a step, are to make way for ours (docs/speed.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    exit_code: int = command.run(parsed)
    sys.stdout.flush()  # a closed pipe shows here, where it is caught
    return exit_code


def _verbs() -> tuple[str, ...]:
    return tuple(sorted({*plugins.names(commands), *plugins.entries(ENTRY_POINTS)}))


def _command(verb: str) -> ModuleType:
    """The module of a verb; those of this package win.

    Raises:
        UsageError: another distribution's verb can't be imported.
    """
    if verb in plugins.names(commands):
        return plugins.load(commands, verb)
    try:
        module: ModuleType = plugins.entries(ENTRY_POINTS)[verb].load()
    except ImportError as error:
        raise UsageError(f"{verb}: can't be loaded: {error}; install what it needs") from error
    return module


def _refuse_unknown_verb(word: str) -> None:
    """A word that looks like a verb and is no file is no frame to denoise either."""
    if word.isidentifier() and not os.path.lexists(word):
        raise UsageError(f"no verb and no file {word!r}; the verbs are: {', '.join(_verbs())}")


def _help() -> str:
    usage = "usage: mcdenoise [VERB] ...      (without a VERB: denoise)"
    more = "`mcdenoise VERB --help` says more."
    return "\n".join([usage, "", "verbs:", *_verb_lines(), "", more, "", EXAMPLES.rstrip()])


def _verb_lines() -> Iterator[str]:
    for verb in _verbs():
        try:
            yield f"  {verb:<12} {_command(verb).HELP}"
        except UsageError as error:
            yield f"  {verb:<12} ({str(error).removeprefix(f'{verb}: ')})"


if __name__ == "__main__":
    process()
