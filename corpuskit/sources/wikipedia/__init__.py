"""Wikipedia and other wikis: from a dump to pages, from wikitext to text."""
