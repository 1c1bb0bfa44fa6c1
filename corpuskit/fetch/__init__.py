"""Fetching dumps and books from mirrors: resumed, checked, polite, and recorded with their licences.

Nothing here is loaded unless ``corpuskit fetch`` is called; a build never opens a connection.

    address     of a mirror, its host, and where a redirect leads to
    patience    how long and how often a server is waited for
    http        asking a server: redirects, waiting, what may be tried again
    mirrors     several of them, asked in turn
    part        half a file, and from where it can be gone on with
    download    one file, whole and right; several at once
    lists       what the lists of further mirrors say where the first one's may be wrong
    manifest    ``fetch.json``: what lies in a folder, from where, under which licence
    wikipedia   the dumps of dumps.wikimedia.org and of its mirrors
    library     mirrors of Project Gutenberg: what they allow, and their catalogue
    gutenberg   the books that are wanted of them
"""
