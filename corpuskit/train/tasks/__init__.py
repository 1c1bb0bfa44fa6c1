"""What a model is trained for; each is a `Task` given to the one loop."""
