"""``corpuskit fetch``: dumps and books from mirrors, resumed and checked."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import DownloadColumn, MofNCompleteColumn, TimeRemainingColumn, TransferSpeedColumn

from corpuskit.build.forecast.dry_run import size
from corpuskit.cli.shell import COUNT, GO_ON, PATH, F, Shell, progress, shell_options
from corpuskit.errors import counted
from corpuskit.fetch import gutenberg, manifest, wikipedia
from corpuskit.fetch.http import Listener, Web
from corpuskit.fetch.shelf import Library


@click.group()
def command() -> None:
    """Fetch Wikipedia dumps and Gutenberg books from mirrors.

    Files are resumed, checked, and noted with their licences in fetch.json. Call the same command again
    after a stop: what is there and whole is not fetched again.

    \b
    corpuskit fetch wikipedia --wiki simplewiki --contact me@example.org
    corpuskit fetch gutenberg --languages en --limit 100 --mirror https://MIRROR/PATH
    corpuskit fetch verify dumps/simplewiki-20261101
    """


def _common(function: F) -> F:
    contact = click.option(
        "--contact",
        default="",
        envvar="CORPUSKIT_CONTACT",
        metavar="ADDRESS",
        help="How the mirror's operator can reach you: an e-mail or web address.",
    )
    redirects_to = click.option(
        "--redirects-to",
        multiple=True,
        metavar="HOST",
        help="A host, with those below it, that the mirror may send us to. Its own is always allowed.",
    )
    dry_run = click.option("--dry-run", is_flag=True, help="Show what would be fetched; fetch lists alone.")
    return contact(redirects_to(dry_run(function)))


@command.command("wikipedia")
@click.option("--wiki", required=True, help="The wiki, as its database is called: simplewiki, dewiki.")
@click.option("--date", default="latest", show_default=True, help="YYYYMMDD, or latest.")
@click.option("--out", type=PATH, help="Folder.  [default: dumps/WIKI-DATE]")
@click.option(
    "--kind",
    type=click.Choice(list(wikipedia.KINDS)),
    default="articles-multistream",
    metavar="KIND",
    help=f"{', '.join(wikipedia.KINDS)}.  [default: articles-multistream]",
)
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="URL",
    help="May be given several times: asked in this order, each when the one before it fails."
    f"  [default: {wikipedia.MIRROR}]",
)
@click.option("--connections", type=click.IntRange(1, 8), default=wikipedia.CONNECTIONS, show_default=True)
@_common
@shell_options
def wikipedia_command(
    shell: Shell,
    wiki: str,
    date: str,
    out: Path | None,
    kind: str,
    mirrors: tuple[str, ...],
    connections: int,
    contact: str,
    redirects_to: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Fetch the XML dump of a wiki, with its index.

    Sizes and checksums are those that the dump's own list gives. `recombined` kinds are the one
    large file that big wikis have besides their many parts; both hold the same pages.

    \b
    corpuskit fetch wikipedia --wiki simplewiki --dry-run
    corpuskit fetch wikipedia --wiki simplewiki --contact me@example.org
    corpuskit fetch wikipedia --wiki dewiki --mirror https://MIRROR/PATH --mirror https://OTHER/PATH
    """
    mirrors = mirrors or (wikipedia.MIRROR,)
    if not contact and wikipedia.MIRROR in mirrors:
        shell.say("note: dumps.wikimedia.org wants to know who asks and may refuse others: give --contact.")
    with (
        fetch_progress(shell, "bytes") as listen,
        Web(contact=contact, redirects_to=redirects_to, listen=listen) as web,
    ):
        dump = wikipedia.choose(web, wiki, date=date, kind=kind, mirrors=mirrors)
        folder = out or Path("dumps") / f"{dump.wiki}-{dump.date}"
        facts = _dump_facts(dump, folder)
        if dry_run:
            shell.result({**facts, "dry_run": True}, _dump_table(dump, folder))
            return
        shell.kept = GO_ON
        fetched, there = wikipedia.fetch(web, dump, folder, connections=connections)
    text = (
        f"{folder}: {wiki} of {dump.date}, {counted(len(dump.files), 'file')}, {size(dump.size)}:"
        f" {len(fetched)} fetched, {len(there)} there before\n"
        f"licence: {dump.licence}\nin a recipe: wikipedia: {{path: {folder}}}"
    )
    shell.result({**facts, "fetched": fetched, "there": there}, text)


def _dump_facts(dump: wikipedia.Dump, folder: Path) -> dict[str, Any]:
    about = {name: getattr(dump, name) for name in ("wiki", "date", "kind", "mirror", "licence")}
    files = [{"name": f.name, "url": f.url, "size": f.size, "sha1": f.sha1 or None} for f in dump.files]
    others = list(dump.others)
    return {"folder": str(folder), **about, "other_mirrors": others, "bytes": dump.size, "files": files}


def _dump_table(dump: wikipedia.Dump, folder: Path) -> str:
    width = max(len(file.name) for file in dump.files)
    rows = [f"{f.name:{width}}  {size(f.size or 0):>9}  sha1 {f.sha1}" for f in dump.files]
    mirrors = ", else ".join((dump.mirror, *dump.others))
    rows.append(f"{counted(len(dump.files), 'file')}, {size(dump.size)}, from {mirrors} to {folder}")
    rows.append(f"licence: {dump.licence}")
    return "\n".join(rows)


@command.command("gutenberg")
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    envvar="CORPUSKIT_GUTENBERG_MIRROR",
    metavar="URL",
    help="A mirror near you. There is no default: the main site is for people. May be given several times:"
    " asked in this order, each when the one before it fails or has not what is wanted.",
)
@click.option("--languages", default="", metavar="CODES", help="en, or en,de: books in any of them.")
@click.option("--ids", default="", metavar="NUMBERS", help="84,1340-1342: these books alone.")
@click.option("--limit", type=COUNT, help="At most so many, lowest numbers first.")
@click.option("--out", type=PATH, default=Path("gutenberg"), show_default=True)
@click.option(
    "--pause", type=click.FloatRange(min=0), default=gutenberg.PAUSE, show_default=True, metavar="SECONDS"
)
@click.option("--copyrighted", is_flag=True, help="Keep books that their header says are under copyright.")
@click.option("--i-have-permission", "permitted", is_flag=True, help="The site's operator allows it.")
@_common
@shell_options
def gutenberg_command(
    shell: Shell,
    mirrors: tuple[str, ...],
    languages: str,
    ids: str,
    limit: int | None,
    out: Path,
    pause: float,
    copyrighted: bool,
    permitted: bool,
    contact: str,
    redirects_to: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Fetch books from a mirror of Project Gutenberg, one request every two seconds.

    The catalogue comes first and stays in the folder; delete it to have a newer one. Books that the mirror
    does not have are noted and not asked for again there.

    \b
    corpuskit fetch gutenberg --languages en --limit 100 --mirror https://MIRROR/PATH --dry-run
    corpuskit fetch gutenberg --ids 84,1340-1342 --mirror https://MIRROR/PATH
    """
    codes = tuple(code.strip().lower() for code in languages.split(",") if code.strip())
    wanted = gutenberg.Wanted(codes, gutenberg.parse_ids(ids), limit)
    refused = gutenberg.refused_hosts(permitted)
    with (
        fetch_progress(shell, "books") as listen,
        Web(contact=contact, pause=pause, refused=refused, redirects_to=redirects_to, listen=listen) as web,
    ):
        source = Library(web, mirrors, out, permitted=permitted)
        if dry_run:
            shell.result(*_books_to_come(source, gutenberg.dry_run(source, wanted, copyrighted=copyrighted)))
            return
        shell.kept = GO_ON
        status = gutenberg.fetch(source, wanted, copyrighted=copyrighted)
    shell.result(*_books_fetched(source, status))


def _about(source: Library) -> dict[str, Any]:
    first, *others = source.mirrors.addresses
    about = {"folder": str(source.folder), "mirror": first, "other_mirrors": others}
    return {**about, "licence": gutenberg.LICENCE}


def _books_to_come(source: Library, status: gutenberg.FetchStatus) -> tuple[dict[str, Any], str]:
    missing = status.missing
    done = sorted([*status.there, *status.not_found, *status.copyrighted])
    time = gutenberg.duration(len(missing), source.web.pause)
    books = [{"id": b.number, "title": b.title, "languages": list(b.languages)} for b in missing]
    facts = {**_about(source), "dry_run": True, "there": done, "books": books}
    lines = [f"{b.number:>6}  {','.join(b.languages):6} {b.title[:80]}" for b in missing[:20]]
    if len(missing) > len(lines):
        lines.append(f"        and {len(missing) - len(lines)} more")
    lines.append(
        f"{counted(len(missing), 'book')} (sizes are not in the catalogue), at least {time},"
        f" from {', else '.join(source.mirrors.addresses)} to {source.folder}; {len(done)} done before"
    )
    return facts, "\n".join([*lines, f"licence: {gutenberg.LICENCE}"])


def _books_fetched(source: Library, status: gutenberg.FetchStatus) -> tuple[dict[str, Any], str]:
    told = {
        name: getattr(status, name) for name in ("fetched", "there", "not_found", "copyrighted", "misses")
    }
    facts = {**_about(source), **told, "catalog": str(source.catalog_path())}
    left = {"not found": status.not_found, "left out as copyrighted": status.copyrighted}
    named = [f"{what}: {gutenberg.listed(numbers)}\n" for what, numbers in left.items() if numbers]
    text = (
        f"{source.folder}: {counted(len(status.fetched), 'book')} fetched, {len(status.there)} there"
        f" before, {', '.join(f'{len(numbers)} {what}' for what, numbers in left.items())}\n"
        f"{''.join(named)}licence: {gutenberg.LICENCE}\n"
        f"in a recipe: gutenberg: {{path: {source.folder}, catalog: {source.catalog_path()}}}"
    )
    return facts, text


@command.command("verify")
@click.argument("folder", type=PATH)
@shell_options
def verify_command(shell: Shell, folder: Path) -> None:
    """Check a fetched folder against its manifest, without a connection.

    Ends with exit code 1 if a file is missing or not what was fetched.

    \b
    corpuskit fetch verify dumps/simplewiki-20261101
    """
    held, problems = manifest.check(folder)
    facts = {"folder": str(folder), "sound": not problems, "problems": problems, "files": len(held.files)}
    total = sum(file["size"] for file in held.files.values())
    text = f"{folder}: sound: {counted(len(held.files), 'file')}, {size(total)}"
    shell.result(facts, "\n".join(problems) or text)
    if problems:
        shell.say("Call the same `corpuskit fetch` again: what is wrong is fetched anew.")
        sys.exit(1)


@contextmanager
def fetch_progress(shell: Shell, unit: str) -> Iterator[Listener]:
    """A bar on standard error in a terminal, a line for each file or hundred books elsewhere."""
    books = unit == "books"
    figures = (MofNCompleteColumn(),) if books else (DownloadColumn(), TransferSpeedColumn())
    held: Counter[str] = Counter()  # bytes by file, or books
    with progress(shell, *figures, TimeRemainingColumn()) as shown:
        bar = shown.add_task("fetching", total=None, visible=False)

        def say(text: str) -> None:
            shown.console.print(text, highlight=False, markup=False, soft_wrap=True)

        def listen(event: str, facts: Mapping[str, Any]) -> None:
            if event == "begin":
                planned = facts.get("books", facts.get("files", ()))
                total = len(planned) if books else sum(file.size or 0 for file in planned)
                shown.update(bar, total=total, visible=bool(planned))
            elif event == "retry":
                wait = f"; again in {facts['wait']:.0f} s" if facts["wait"] else "; again"
                what, reason = facts["what"], facts["reason"]
                say(f"{reason}{wait}" if reason.startswith(what) else f"{what}: {reason}{wait}")
            elif event == "note":
                say(facts["note"])
            elif event == "bytes" and not books:
                held[facts["what"]] = facts["done"]
                shown.update(bar, completed=held.total())
            elif event == "done" and books:
                held[unit] += 1
                shown.update(bar, completed=held[unit])
                if held[unit] % 100 == 0 and not shown.console.is_terminal:
                    say(f"{held[unit]} books")
            elif event == "done" and not shown.console.is_terminal:
                say(f"{facts['what']}: {size(facts['size'])}, whole")

        yield listen
