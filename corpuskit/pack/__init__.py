"""Packing: documents become token shards."""
