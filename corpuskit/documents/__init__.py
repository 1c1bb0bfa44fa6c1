"""Documents on their way: batches of them, what a source hands on, their account, and settings."""
