"""From shards to batches: order, objectives, mixtures, what is held out."""
