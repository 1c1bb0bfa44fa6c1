"""Models of other tools: exported for them, imported from them."""
