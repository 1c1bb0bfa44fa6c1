"""``corpuskit wikipedia templates``: the templates of a dump as a small dump."""

from __future__ import annotations

from pathlib import Path

import click

from corpuskit.cli.shell import PATH, Shell, shell_options
from corpuskit.sources.wikipedia.definitions import write_templates
from corpuskit.storage.ownership import making_files, refuse_overlap
from corpuskit.storage.places import is_uri


@click.command("templates")
@click.argument("dump")
@click.option("--out", required=True, type=PATH, help="File to write: .xml or .xml.bz2.")
@click.option(
    "--min-uses",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Only templates that so many pages call, and what those need.",
)
@shell_options
def templates_command(shell: Shell, dump: str, out: Path, min_uses: int) -> None:
    """Write the templates that a dump defines as a small dump, for `templates: expand`.

    Name the file in the setting `template_pages` of the Wikipedia source, so that no worker reads the whole
    dump for them.

    \b
    corpuskit wikipedia templates simplewiki-pages-articles.xml.bz2 --out templates.xml.bz2 --min-uses 2
    """
    if not is_uri(dump):
        refuse_overlap(out, [("wikipedia templates", Path(dump))])
    with making_files(out):
        done = write_templates(dump, out, min_uses)
    if done.warning:
        shell.say(done.warning)
    text = f"{out}: {done.written:,} of {done.found:,} templates, {done.bytes:,} bytes before compression"
    shell.result({"out": str(out), **vars(done)}, text)
