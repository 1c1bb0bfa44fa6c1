"""The engines that encode, what was found of them, and texts that have nowhere to be cut."""
