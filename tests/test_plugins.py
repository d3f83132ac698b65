import sys
from pathlib import Path
from types import ModuleType

import pytest

from mcdenoise import commands, plugins
from mcdenoise.errors import UsageError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package `fruits` of two plugins and a private module; importing `pear` fails."""
    folder = tmp_path / "fruits"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "apple.py").write_text("COLOR = 'red'\n")
    (folder / "pear.py").write_text("raise RuntimeError('imported')\n")
    (folder / "_peel.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "fruits"]:
        monkeypatch.delitem(sys.modules, name)
    return __import__("fruits")


def test_names_are_the_public_modules_and_none_is_imported(package: ModuleType) -> None:
    assert plugins.names(package) == ("apple", "pear")
    assert not {"fruits.apple", "fruits.pear"} & set(sys.modules)


def test_load_imports_the_plugin_asked_for(package: ModuleType) -> None:
    assert plugins.load(package, "apple").COLOR == "red"


def test_unknown_plugin_is_an_error_that_lists_the_known_ones(package: ModuleType) -> None:
    with pytest.raises(UsageError, match="fruits: no 'plum'; there is: apple, pear"):
        plugins.load(package, "plum")


def test_private_module_is_no_plugin(package: ModuleType) -> None:
    with pytest.raises(UsageError, match="no '_peel'"):
        plugins.load(package, "_peel")


def test_entries_of_a_group_nobody_declares_are_none() -> None:
    assert plugins.entries("mcdenoise.nobody") == {}


@pytest.mark.parametrize("name", plugins.names(commands))
def test_every_verb_has_what_the_command_line_needs(name: str) -> None:
    verb = plugins.load(commands, name)
    assert len(verb.HELP.splitlines()) == 1
    assert "mcdenoise" in verb.EXAMPLES
    assert callable(verb.add_arguments)
    assert callable(verb.run)
