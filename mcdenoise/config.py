"""Settings: one frozen dataclass per program, each field with its help; defaults < TOML file < flags."""

import argparse
import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from mcdenoise.errors import UsageError

S = TypeVar("S")


def setting(
    default: Any,
    explained: str,
    *,
    choices: tuple[str, ...] | None = None,
    metavar: str | None = None,
    parse: Callable[[Any], Any] | None = None,
) -> Any:
    """A field of a settings dataclass: its default, its help, and how a flag's text becomes its value.

    A value of a TOML file must have the default's type already (an int may stand for a float).
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": explained, "choices": choices, "metavar": metavar, "parse": parse or type(default),
        },
    )  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser, settings: type) -> None:
    """A flag for each field of `settings` (`save_every` becomes `--save-every`), and `--config FILE.toml`."""
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings file; flags win over it")
    for field in dataclasses.fields(settings):
        flag, meta = "--" + field.name.replace("_", "-"), field.metadata
        text = (
            meta["help"]
            if field.default in (None, "", False)
            else f"{meta['help']} (default: {field.default})"
        )
        text = text.replace("%", "%%")
        if meta["parse"] is bool:
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
            )
        else:
            parser.add_argument(
                flag,
                type=meta["parse"],
                choices=meta["choices"],
                metavar=meta["metavar"],
                default=argparse.SUPPRESS,
                help=text,
            )


def resolve(settings: type[S], arguments: argparse.Namespace, defaults: Mapping[str, Any] | None = None) -> S:
    """Defaults (those given go first), then the file named by `--config`, then the flags given.

    Raises:
        UsageError: the file can't be read, holds an unknown key, or a value of the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(settings)}  # type: ignore[arg-type]
    values = dict(defaults or {}) | (_from_file(arguments.config, fields) if arguments.config else {})
    values.update({name: value for name, value in vars(arguments).items() if name in fields})
    return settings(**values)


def _from_file(path: Path, fields: Mapping[str, "dataclasses.Field[Any]"]) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: can't read these settings: {error}") from error
    unknown = [key for key in values if key not in fields]
    if unknown:
        raise UsageError(f"{path}: no setting {unknown[0]!r}; there is: {', '.join(fields)}")
    return {key: _checked(path, fields[key], value) for key, value in values.items()}


def _checked(path: Path, field: "dataclasses.Field[Any]", value: Any) -> Any:
    """A TOML value as the field's type.

    Raises:
        UsageError: it has another type, can't be parsed, or is none of the choices.
    """
    is_text = field.default is None or isinstance(field.default, Path)
    wanted = str if is_text else type(field.default)
    if wanted is float and type(value) is int:
        value = float(value)
    choices = field.metadata["choices"]
    if type(value) is not wanted:
        raise UsageError(f"{path}: {field.name} = {value!r}: should be of type {wanted.__name__}")
    if choices and value not in choices:
        raise UsageError(f"{path}: {field.name} = {value!r}: must be one of {', '.join(choices)}")
    try:
        return value if isinstance(value, bool) else field.metadata["parse"](value)
    except (TypeError, ValueError, argparse.ArgumentTypeError) as error:
        raise UsageError(f"{path}: {field.name} = {value!r}: {error}") from error
