"""Own files as documents: text, JSON Lines, tables, datasets that were saved to disk."""
