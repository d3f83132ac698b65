import argparse
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcdenoise import config
from mcdenoise.config import setting
from mcdenoise.errors import McdenoiseError, UsageError
from mcdenoise.settings import TrainSettings


@dataclass(frozen=True)
class Oven:
    degrees: float = setting(180.0, "how hot, 100% sure")
    shelf: str = setting("middle", "where", choices=("top", "middle", "bottom"))
    bake_minutes: int = setting(20, "how long")
    fan: bool = setting(False, "circulate the air")
    recipe: Path | None = setting(None, "what to bake", parse=Path)


def resolve(*flags: str) -> Oven:
    parser = argparse.ArgumentParser()
    config.add_arguments(parser, Oven)
    return config.resolve(Oven, parser.parse_args(flags))


def file(folder: Path, text: str) -> str:
    path = folder / "oven.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_without_file_and_flags_the_defaults_hold() -> None:
    assert resolve() == Oven()


def test_file_wins_over_defaults_and_flags_win_over_the_file(tmp_path: Path) -> None:
    path = file(tmp_path, "degrees = 220\nbake_minutes = 5\n")
    assert resolve("--config", path, "--bake-minutes", "7") == Oven(degrees=220.0, bake_minutes=7)


def test_flag_that_repeats_a_default_still_wins_over_the_file(tmp_path: Path) -> None:
    assert resolve("--config", file(tmp_path, "fan = true\n"), "--no-fan").fan is False


def test_values_get_the_type_of_their_setting(tmp_path: Path) -> None:
    oven = resolve("--config", file(tmp_path, "degrees = 200\nrecipe = 'bread.txt'\n"))
    assert isinstance(oven.degrees, float)
    assert oven.recipe == Path("bread.txt")


def test_unknown_key_is_an_error_that_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"oven\.toml: no setting 'heat'; there is: degrees, shelf"):
        resolve("--config", file(tmp_path, "heat = 3\n"))


@pytest.mark.parametrize("text", ["degrees = 'warm'\n", "degrees = [1, 2]\n"])
def test_value_of_the_wrong_type_names_file_and_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"oven\.toml: degrees = "):
        resolve("--config", file(tmp_path, text))


@pytest.mark.parametrize("text", ["degrees = \n", "[[[\n"])
def test_file_that_is_no_toml_is_one_clear_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"oven\.toml: can't read these settings"):
        resolve("--config", file(tmp_path, text))


def test_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(McdenoiseError, match=r"none\.toml: can't read"):
        resolve("--config", str(tmp_path / "none.toml"))


def test_choice_that_a_flag_would_refuse_is_refused_in_a_file_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="shelf = 'roof'"):
        resolve("--config", file(tmp_path, "shelf = 'roof'\n"))


@pytest.mark.parametrize("text", ["fan = 'false'\n", "bake_minutes = 2.7\n", "shelf = 3\n"])
def test_value_is_not_bent_into_another_meaning(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"oven\.toml: "):
        resolve("--config", file(tmp_path, text))


def test_help_shows_each_flag_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        resolve("--help")
    text = capsys.readouterr().out
    assert "--bake-minutes" in text
    assert "how hot, 100% sure (default: 180.0)" in " ".join(text.split())


def test_widths_that_are_no_numbers_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text('widths = "3,x"')
    parser = argparse.ArgumentParser()
    config.add_arguments(parser, TrainSettings)
    with pytest.raises(UsageError, match=r"train.toml: widths = '3,x': 3,x: want numbers like"):
        config.resolve(TrainSettings, parser.parse_args(["--config", str(path)]))
