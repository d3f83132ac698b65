"""`mcdenoise demo`: a page on this machine that takes a frame and shows it before and after."""

import argparse
from importlib.util import find_spec

from mcdenoise.commands import _terminal
from mcdenoise.errors import UsageError

HELP = "try it in the browser: drop a frame, see it before and after (local only)"
EXAMPLES = """\
examples:
  mcdenoise demo                       on a free port, and opens the browser
  mcdenoise demo --port 8000 --no-browser

The page is for this machine only and loads nothing from elsewhere. Frames that it takes lie in a temporary
folder, which goes when Ctrl-C ends the program.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this verb."""
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="port to listen on (a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument("--model", default="standard", metavar="NAME|FILE", help="model to use (standard)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="(auto)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    if find_spec("tornado") is None:
        raise UsageError("demo: needs Tornado; pip install 'mcdenoise[demo]'")
    import webbrowser

    from mcdenoise.commands import _web

    with _web.bind(arguments.port) as listening:
        from mcdenoise.engine import Denoiser

        denoiser = Denoiser(arguments.model, device=arguments.device)
        address = _web.address(listening)
        _terminal.say(f"{address}  (Ctrl-C ends it)")
        if not arguments.no_browser:
            webbrowser.open(address)
        _web.serve(listening, denoiser)
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a port, 1 to {2**16 - 1}")
    return int(text)
