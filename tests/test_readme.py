"""What README.md tells a reader to type exists: verbs, flags, make targets, modules, files."""

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from mcdenoise import __main__ as command_line
from mcdenoise import commands, plugins
from mcdenoise.errors import McdenoiseError

ROOT = Path(__file__).parent.parent
PAGES = [page for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md") if page.exists()]


def shell_blocks(page: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def lines(program: str) -> list[str]:
    """Every command of all pages' ```sh blocks that starts with `program`, without comments."""
    return [line for page in PAGES for line in _commands(page) if line.split()[0] == program]


def _commands(page: Path) -> Iterator[str]:
    for block in shell_blocks(page):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield shlex.join(words)


def parse(words: list[str]) -> argparse.Namespace:
    """The arguments as `mcdenoise` itself would understand them, nothing run."""
    verb = words[0] if words[0] in (*plugins.names(commands), "render") else command_line.DEFAULT_VERB
    if verb == "render" and find_spec("mitsuba") is None:
        pytest.skip("the verb render needs mcdenoise[render]")
    rest = words[1:] if words[0] == verb else words
    module = plugins.load(commands, verb) if verb != "render" else __import__("renderers.command").command
    parser = command_line.Parser(prog=f"mcdenoise {verb}")
    module.add_arguments(parser)
    return parser.parse_args(rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_shell_block_is_valid_shell(page: Path) -> None:
    for block in shell_blocks(page):
        told = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True)
        assert told.returncode == 0, f"{told.stderr}\n{block}"


@pytest.mark.parametrize("line", lines("mcdenoise"))
def test_every_mcdenoise_command_has_a_verb_and_flags_that_exist(line: str) -> None:
    assert parse(shlex.split(line)[1:])


@pytest.mark.parametrize("line", lines("make"))
def test_every_make_target_exists(line: str) -> None:
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for word in shlex.split(line)[1:]:
        assert "=" in word or word in targets


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name)
def test_every_module_to_run_exists(page: Path) -> None:
    named = re.findall(r"\bpython -m ([\w.]+\w)", page.read_text(encoding="utf-8"))
    assert [module for module in named if not find_spec(module)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_into_the_repository_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|href)="([^"#]+)"', text)
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []


@pytest.mark.parametrize("words", [["frame.exr", "--no-such-flag"], ["evaluate", "frame.exr"]])
def test_a_command_that_does_not_exist_would_be_noticed(words: list[str]) -> None:
    with pytest.raises(McdenoiseError):
        parse(words)


def test_make_alone_lists_every_target() -> None:
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony
    assert [name for name in phony[1].split() if f"make {name}" not in told] == ["llvm", "chromium", "farms"]


def test_ci_runs_exactly_make_test_all() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^(?:exec )?make .*", script, re.MULTILINE) == ["exec make test-all"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_help_of_every_verb_prints_without_torch() -> None:
    code = (
        "import sys; from mcdenoise.__main__ import main\n"
        "for verb in sys.argv[1:]:\n"
        "    try: main([verb, '--help'])\n"
        "    except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, *plugins.names(commands)], check=True, capture_output=True)
