"""Byte-level BPE: trained, loaded, applied to text and back."""
