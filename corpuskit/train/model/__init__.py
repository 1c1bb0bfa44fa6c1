"""The transformer, its loss, and what both cost."""
