"""Text from a model: sampling, chat, filled gaps."""
