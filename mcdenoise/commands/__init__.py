"""A module per verb, found by name (see CONTRIBUTING.md). Each has:

- `HELP`: one line for `mcdenoise --help`,
- `EXAMPLES`: the text below `mcdenoise VERB --help`,
- `add_arguments(parser)`: cheap, imports nothing heavy,
- `run(arguments) -> int`: the work; returns the exit code, raises `McdenoiseError`.

`-q`-like flags are their own; `-v/--verbose` comes to every verb from `__main__`.

Verbs of other distributions come in through the entry point group `mcdenoise.commands`.
"""
