"""The run folder with its records, tasks, and the engines that run them."""
