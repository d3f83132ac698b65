"""A module per row, found by name. Each has `STEPS`, `measure(results)`, which finds what there isn't yet,
`tables(results)`, each rows of cells with a head first, and `draw(results)`, a figure."""
