"""Commands that look into a dump of Wikipedia or another wiki."""
