"""What a run tells while it trains: events, logs, curves."""
