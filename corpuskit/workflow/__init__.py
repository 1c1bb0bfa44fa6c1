"""The whole way in one file: steps that are the functions of the commands, done in order and recorded."""
