"""``corpuskit wikipedia page``: one page of a dump, by title or id."""

from __future__ import annotations

from typing import Any

import click

from corpuskit.cli.shell import Shell, shell_options
from corpuskit.sources.wikipedia.lookup import FoundPage, PageFinder, page_document


@click.command("page")
@click.argument("dump")
@click.argument("page", metavar="TITLE|ID")
@click.option("--id", "by_id", is_flag=True, help="Take a number for an id at once, not for a title first.")
@click.option("--text", "form", flag_value="text", default="text", help="The extracted text.  [default]")
@click.option("--wikitext", "form", flag_value="wikitext", help="The wikitext as it stands in the dump.")
@click.option("--no-redirect", is_flag=True, help="Show a redirect itself, not the page that it leads to.")
@click.option(
    "--cache", is_flag=True, help="Make a lookup beside the index, 32 bytes a page; later calls use it."
)
@click.option("--wiki", default="", help="Name of the wiki, where the dump does not say: enwiki.")
@shell_options
def page_command(
    shell: Shell, dump: str, page: str, by_id: bool, form: str, no_redirect: bool, cache: bool, wiki: str
) -> None:
    """Show one page of a dump, by its title or its id.

    DUMP is a file, or a folder that holds one dump, as `corpuskit fetch` leaves it. A multistream dump
    (.bz2) with its index (...-multistream-index.txt.bz2) beside it is read at the page alone. Finding the
    title reads the index: about a second for simplewiki, half a minute for enwiki; after a call with
    --cache, less than a second. Any other dump is read from its beginning up to the page.

    \b
    corpuskit wikipedia page dumps/simplewiki "Alan Turing"
    corpuskit wikipedia page simplewiki-latest-pages-articles-multistream.xml.bz2 "Alan Turing"
    corpuskit wikipedia page enwiki-pages-articles.xml.bz2 736 --id --wikitext
    """
    finder = PageFinder(dump, cache=cache, say=shell.say)
    found = finder.find(page, by_id=by_id, follow=not no_redirect)
    facts = _facts(found, finder.path, wiki, form)
    shell.result(facts, facts[form])


def _facts(found: FoundPage, dump: str, wiki: str, form: str) -> dict[str, Any]:
    document = page_document(found, dump, wiki)
    page, revision = found.page, found.page.newest
    facts = {
        "id": page.id,
        "title": page.title,
        "revision": revision.id,
        "timestamp": revision.timestamp,
        "url": found.site.url(page.title, wiki or found.site.dbname),
        "kind": document.get("kind"),
        "categories": document.get("categories"),
        "redirected_from": list(found.redirected_from),
    }
    return facts | {form: revision.wikitext if form == "wikitext" else document.get("text", "")}
