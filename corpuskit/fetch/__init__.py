"""Fetching dumps and books from mirrors: resumed, checked, polite, and recorded with their licences.

Nothing here is loaded unless ``corpuskit fetch`` is called; a build never opens a connection.

    http        asking a server: redirects, waiting, what may be tried again
    download    one file, whole and right; several at once
    manifest    ``fetch.json``: what lies in a folder, from where, under which licence
    wikipedia   the dumps of dumps.wikimedia.org and of its mirrors
    gutenberg   the books of a mirror of Project Gutenberg
"""
