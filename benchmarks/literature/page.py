"""Tables and figures of what was found, into docs/literature.md, between a row's marks."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.literature import figures, results, rows
from mcdenoise import files, plugins

PAGE = Path("docs/literature.md")

Table = Sequence[Sequence[str]]


def write(page: Path, runs: Path) -> None:
    """Put in the table of each row that was measured to its end, and draw its figure beside the others."""
    text = page.read_text(encoding="utf-8")
    for module in plugins.names(rows):
        name = module.replace("_", "-")
        path = runs / f"{name}.json"
        if path.exists() and (found := results.read(path)).is_whole:
            row = plugins.load(rows, module)
            figures.save(row.draw(found), page.parent / "images" / f"literature-{name}.png")
            told = f"{markdown(row.table(found))}\n\n{found.steps} steps each."
            text = _between(text, name, told)
    with files.whole(page) as part:
        part.write_text(text, encoding="utf-8")


def markdown(table: Table) -> str:
    """A table whose first row is its head."""
    head, *rest = table
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rest])


def number(value: float, digits: int = 2) -> str:
    """A cell."""
    return f"{value:.{digits}f}"


def _between(text: str, name: str, told: str) -> str:
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert marks.search(text), f"no place for {name}"
    return marks.sub(lambda found: f"{found[1]}{told}\n{found[2]}", text)
