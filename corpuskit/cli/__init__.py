"""The command line: thin commands over public functions, one module a command."""
