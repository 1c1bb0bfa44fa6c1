"""What a pipeline is made of: the contract of stages, rules and barriers, and the registry of their names."""
