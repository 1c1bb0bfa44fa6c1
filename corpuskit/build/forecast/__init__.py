"""What a build would do, without doing it."""
