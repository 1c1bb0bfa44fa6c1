"""Rows of any table file, one at a time, with the damaged ones named."""
