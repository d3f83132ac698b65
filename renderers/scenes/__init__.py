"""Where scenes come from besides files."""
