"""What models write for texts, scored against what was to be written."""
