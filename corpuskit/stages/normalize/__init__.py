"""Stages that change texts: Unicode, white space, and the classical path of lower case without
punctuation."""
