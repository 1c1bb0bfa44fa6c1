"""``corpuskit wikipedia``: look into dumps of Wikipedia and other wikis."""

from __future__ import annotations

import click

from corpuskit.cli.wikipedia.loss import loss_command
from corpuskit.cli.wikipedia.page import page_command
from corpuskit.cli.wikipedia.rules import rules_command
from corpuskit.cli.wikipedia.templates import templates_command


@click.group(commands=(page_command, loss_command, rules_command, templates_command))
def command() -> None:
    """Look into a dump of Wikipedia or another wiki.

    \b
    corpuskit wikipedia page simplewiki-latest-pages-articles-multistream.xml.bz2 "Alan Turing"
    corpuskit wikipedia loss sample_corpora/encyclopedia.xml
    """
