"""Where documents come from: the contract of a source, and what a folder holds."""
