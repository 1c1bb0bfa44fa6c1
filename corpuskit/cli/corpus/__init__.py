"""Commands that make a corpus and look at it."""
