"""A module per renderer; each has `open_scenes(settings) -> Iterator[OpenScene]` (see `_contract`)."""
