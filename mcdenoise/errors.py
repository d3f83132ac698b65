"""What a user can cause and mend. Caught once, in `__main__`: one line on stderr and the exit code."""

import threading

# Held while a line is told, and while a library is kept from the terminal: ours would go with its lines.
telling = threading.RLock()


def printable(text: str) -> str:
    """The text with what no terminal should be sent written out, line breaks too."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class McdenoiseError(Exception):
    """Base of all errors that a user sees; `str()` reads *where: what is wrong; what to do*."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        """One printable line, whatever names a damaged file put into it."""
        super().__init__(printable(message))


class UsageError(McdenoiseError):
    """The command line or a settings file asks for something impossible."""

    exit_code = 2


class NoInputError(McdenoiseError):
    """There is no such input file, or a pattern matches none."""

    exit_code = 3


class FrameError(McdenoiseError):
    """A frame lacks a plane, or a plane has the wrong shape."""


class ExrError(McdenoiseError):
    """A file can't be read or written as OpenEXR."""


class ModelError(McdenoiseError):
    """A model file is damaged, of a newer format, or doesn't fit its use."""


class SceneError(McdenoiseError):
    """A scene can't be loaded or rendered."""


class TrainingError(McdenoiseError):
    """Training data or settings can't be trained on."""
