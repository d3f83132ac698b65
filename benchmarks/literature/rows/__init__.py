"""A module per row, found by name. Each has `STEPS`, `measure(results)`, which finds what there isn't yet,
`table(results)`, rows of cells with a head, and `draw(results)`, a figure."""
