"""Settings: one frozen dataclass per program, each field with its help; defaults < TOML file < flags."""

import argparse
import dataclasses
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from mcdenoise.errors import UsageError

S = TypeVar("S")


def setting(default: Any, help: str, *, choices: tuple[str, ...] | None = None, metavar: str | None = None,
            parse: Any = None) -> Any:  # fmt: skip
    """A field of a settings dataclass: its default, its help, and how a flag's text becomes its value."""
    parse = parse or (type(default) if default is not None else str)
    return dataclasses.field(
        default=default, metadata={"help": help, "choices": choices, "metavar": metavar, "parse": parse}
    )


def add_arguments(parser: argparse.ArgumentParser, settings: type) -> None:
    """A flag for each field of `settings` (`save_every` becomes `--save-every`), and `--config FILE.toml`."""
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings file; flags win over it")
    for field in dataclasses.fields(settings):
        flag, meta = "--" + field.name.replace("_", "-"), field.metadata
        text = meta["help"] if field.default in (None, False) else f"{meta['help']} (default: {field.default})"
        text = text.replace("%", "%%")
        if meta["parse"] is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
        else:
            parser.add_argument(flag, type=meta["parse"], choices=meta["choices"], metavar=meta["metavar"],
                                default=argparse.SUPPRESS, help=text)  # fmt: skip


def resolve(settings: type[S], arguments: argparse.Namespace) -> S:
    """Defaults, then the file named by `--config`, then the flags given.

    Raises:
        UsageError: the file can't be read, holds an unknown key, or a value of the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(settings)}  # type: ignore[arg-type]
    values = _from_file(arguments.config, fields) if arguments.config else {}
    values.update({name: value for name, value in vars(arguments).items() if name in fields})
    return settings(**values)


def _from_file(path: Path, fields: dict[str, Any]) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: can't read these settings: {error}") from error
    for key, value in values.items():
        if key not in fields:
            raise UsageError(f"{path}: no setting {key!r}; there is: {', '.join(fields)}")
        try:
            values[key] = fields[key].metadata["parse"](value)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path}: {key} = {value!r}: {error}") from error
    return values
