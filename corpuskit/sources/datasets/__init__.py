"""Data sets of the library `datasets` as documents."""
