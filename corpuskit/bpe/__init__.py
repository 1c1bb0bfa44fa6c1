"""Byte-level BPE: the tokenizer that turns text into ids."""
