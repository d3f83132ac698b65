"""A module per renderer; the scenes that it opens obey `_contract.OpenScene`."""
