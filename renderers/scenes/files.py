"""Scenes from files: which of those that the project knows are only for validation."""

# Never trained on; their frames decide between designs. Test scenes are others still, kept elsewhere.
VALIDATION = ("bathroom", "dining-room")
