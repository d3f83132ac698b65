"""What commands share in talking to a person: one line for an error, a bar for a wait."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mcdenoise.errors import McdenoiseError, telling

log = logging.getLogger(__name__)
# Who tells that numba compiles.
COMPILING = "mcdenoise.networks._compiled"


def say(text: str) -> None:
    """Print and flush, so that a closed pipe shows here and not at exit."""
    with telling:
        print(text, flush=True)


def complain(text: str) -> None:
    """One line on stderr, whatever line breaks the text has."""
    with telling:
        print(f"mcdenoise: {' '.join(text.splitlines())}", file=sys.stderr)


def report(error: McdenoiseError) -> None:
    """An error in one line; with `-v` the traceback before it."""
    log.debug("%s", type(error).__name__, exc_info=error)
    complain(str(error))


@contextmanager
def bar(label: str, *, quiet: bool, unit: str = "tile") -> Iterator[Callable[[int, int], None]]:
    """A bar that is told (done, total); shown on a terminal only, gone when it is over."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    logging.getLogger(COMPILING).setLevel(logging.INFO)  # who waits is told what for
    with logging_redirect_tqdm(), tqdm(desc=label, unit=unit, leave=False) as shown:

        def advance(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield advance
