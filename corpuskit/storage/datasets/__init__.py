"""Data sets of the library `datasets`: folders, what it saved, what it keeps, and the Hub behind it."""
