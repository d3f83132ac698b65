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
            figure = f"images/literature-{name}.png"
            figures.save(row.draw(found), page.parent / figure)
            told = f"![{name}]({figure})\n\n{markdown(row.tables(found))}\n\n`--steps {found.steps}`"
            text = _between(text, name, told)
    with files.whole(page) as part:
        part.write_text(text, encoding="utf-8")


def markdown(tables: Sequence[Table]) -> str:
    """Tables one below the other; the first row of each is its head."""
    return "\n\n".join(
        "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rest])
        for head, *rest in tables
    )


def number(value: float, digits: int = 2) -> str:
    """A cell."""
    return f"{value:.{digits}f}"


def _between(text: str, name: str, told: str) -> str:
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert marks.search(text), f"no place for {name}"
    return marks.sub(lambda found: f"{found[1]}{told}\n{found[2]}", text)
