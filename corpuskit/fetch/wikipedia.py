"""Fetching the XML dumps of a Wikipedia, or of any other wiki of Wikimedia.

How dumps.wikimedia.org and its mirrors are laid out:

    /simplewiki/                                a list of links to dates, 20261101/, 20261020/...
    /simplewiki/20261101/dumpstatus.json        what that dump consists of and how far it is
    /simplewiki/20261101/simplewiki-20261101-pages-articles-multistream.xml.bz2

``dumpstatus.json`` (https://meta.wikimedia.org/wiki/Data_dumps/Status_format) names jobs, each with a status
(``done``, ``in-progress``, ``waiting``, ``failed``, ``skipped``) and, once done, its files with size, MD5,
SHA-1 and address. Wikis of some size have their articles in many files, named by the pages in them
(``enwiki-20261101-pages-articles-multistream1.xml-p1p41242.bz2``), and once more as a single one,
"recombined", by a job of its own. ``multistream`` files come with an index, which is fetched too.

``latest`` is the newest date whose job is done; the ``latest/`` folder of the site is not used, since
its files may be of different dates. The site serves two connections for each client
and wants to know who asks (``--contact``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from corpuskit.errors import FetchError, SettingError
from corpuskit.fetch.address import host_of
from corpuskit.fetch.download import (
    ROUNDS,
    Fetched,
    OtherBytesError,
    download,
    download_all,
    is_whole,
    require_space,
)
from corpuskit.fetch.http import RefusedError, Web
from corpuskit.fetch.lists import OtherLists
from corpuskit.fetch.manifest import Manifest, finished_name, locked
from corpuskit.fetch.mirrors import Mirrors
from corpuskit.fetch.part import Remote

MIRROR = "https://dumps.wikimedia.org"
CONNECTIONS = 2
"""What dumps.wikimedia.org grants to one client."""

KINDS: Mapping[str, str] = {
    "articles-multistream": "articlesmultistreamdump",
    "articles-multistream-recombined": "articlesmultistreamdumprecombine",
    "articles": "articlesdump",
    "articles-recombined": "articlesdumprecombine",
    "meta-current": "metacurrentdump",
    "meta-current-recombined": "metacurrentdumprecombine",
}
"""What can be fetched, by the job of ``dumpstatus.json`` that makes it."""

_WIKI = re.compile(r"[a-z][a-z0-9_]{1,60}")
_DATE = re.compile(r"20\d{6}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_DATES_TRIED = 8
"""Newest first. Dumps are made twice a month: what failed in all of these is not made any more."""
_LISTING_BYTES = 16 * 2**20
_STATUS_BYTES = 64 * 2**20
"""Bounds against an answer without end; real ones are far below."""


@dataclass(frozen=True)
class Dump:
    """A dump of one wiki and date: the files of one job, in the order of their pages.

    Attributes:
        mirror: the one whose list says what the dump consists of.
        others: further ones, in their order; all lay out a dump alike.
    """

    wiki: str
    date: str
    kind: str
    mirror: str
    files: tuple[Remote, ...]
    others: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size or 0 for file in self.files)

    @property
    def licence(self) -> str:
        """What the text stands under."""
        return licence_of(self.wiki)


def licence_of(wiki: str) -> str:
    """The licence of a wiki's text (https://dumps.wikimedia.org/legal.html); pages name exceptions.

    >>> licence_of("simplewiki"), licence_of("dewikinews")
    ('CC BY-SA 4.0 and GFDL', 'CC BY 4.0 (CC BY 2.5 before 2024)')
    """
    if wiki.endswith("wikinews"):
        return "CC BY 4.0 (CC BY 2.5 before 2024)"
    if wiki == "wikidatawiki":
        return "CC0 1.0 (items and properties), CC BY-SA 4.0 (other pages)"
    return "CC BY-SA 4.0 and GFDL"


def dates_in(listing: str) -> list[str]:
    """The dates that the page of a wiki links to, newest first.

    >>> dates_in('<a href="20261020/">20261020</a> <a href="latest/">latest</a> <a href="20261101/">')
    ['20261101', '20261020']
    """
    return sorted(set(re.findall(r"""href=["'](?:[^"']*/)?(20\d{6})/?["']""", listing)), reverse=True)


class BrokenStatusError(FetchError):
    """A ``dumpstatus.json`` that cannot be read."""


def read_status(data: bytes, url: str) -> dict[str, Any]:
    """The jobs that a ``dumpstatus.json`` names.

    Raises:
        BrokenStatusError: it is not JSON of the known form.
    """
    try:
        jobs = json.loads(data)["jobs"]
        if isinstance(jobs, dict) and all(isinstance(job, dict) for job in jobs.values()):
            return jobs
        problem = "its jobs are no table"
    except (ValueError, KeyError, TypeError) as error:
        problem = f"{type(error).__name__}: {error}"
    message = f"{url}: not a list of dump files ({problem}); it begins {data[:60]!r}"
    raise BrokenStatusError(message, remedy="Try again later, choose another --date, or another --mirror.")


class NotReady(Exception):  # noqa: N818 - an older dump is tried, or it becomes a FetchError
    """A dump lacks what is wanted; says why."""


def files_of(jobs: Mapping[str, Any], wiki: str, date: str, kind: str, mirror: str) -> list[Remote]:
    """The files of a job, in the order of their pages, with size and, where it is given, SHA-1.

    Raises:
        NotReady: the job is not done, or there is none of that kind.
    """
    if (job := jobs.get(KINDS[kind])) is None:
        have = [name for name, key in KINDS.items() if jobs.get(key, {}).get("status") == "done"]
        raise NotReady(f"has no {kind}; done there: {', '.join(have) or 'nothing that is known here'}")
    if job.get("status") != "done":
        raise NotReady(f"{kind} is {job.get('status', 'without a status')!r}")
    files = job.get("files")
    if not isinstance(files, dict) or not files:
        raise NotReady(f"{kind} is done and names no files")
    base, prefix = f"{mirror}/{wiki}/{date}", f"{wiki}-{date}-"
    found = [_remote(name, facts, base, prefix) for name, facts in files.items()]
    return sorted(found, key=lambda file: _order(file.name))


def _remote(name: str, facts: Any, base: str, prefix: str) -> Remote:
    """One file of the list; what it says is checked, since names become paths on this machine."""
    size = facts.get("size") if isinstance(facts, dict) else None
    if not re.fullmatch(re.escape(prefix) + r"[A-Za-z0-9_.-]+", name):
        raise NotReady(f"names a file {name!r}, which is not of this dump")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise NotReady(f"gives no size for {name}")
    if (sha1 := str(facts.get("sha1") or "").lower()) and not _SHA1.fullmatch(sha1):
        raise NotReady(f"gives {sha1!r} as SHA-1 of {name}")
    return Remote(name, f"{base}/{name}", size, sha1)


def _order(name: str) -> list[tuple[int, str]]:
    """Names with numbers in them sort by number: ``multistream2`` before ``multistream10``."""
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", name)]


def sums_in(text: str) -> dict[str, str]:
    """SHA-1 by file name, from a ``sha1sums.txt``: lines of checksum, two spaces, name."""
    pairs = [pair for line in text.splitlines() if len(pair := line.split(None, 1)) == 2]
    return {name.strip().lstrip("*"): sha1.lower() for sha1, name in pairs if _SHA1.fullmatch(sha1.lower())}


def choose(
    web: Web,
    wiki: str,
    *,
    date: str = "latest",
    kind: str = "articles-multistream",
    mirrors: Sequence[str] = (MIRROR,),
) -> Dump:
    """Ask which files a dump consists of: the first mirror, and the next ones if that one has no such dump.

    Args:
        wiki: the name of its database: ``simplewiki``, ``dewiki``, ``enwiktionary``.
        date: ``YYYYMMDD``, or ``latest`` for the newest whose files are all made.
        kind: one of `KINDS`.

    Raises:
        SettingError: an argument cannot be right.
        FetchError: no mirror has such a dump, or what they say about it cannot be used.
    """
    asked = Mirrors(mirrors, web.listen)
    if not _WIKI.fullmatch(wiki):
        raise SettingError(f"--wiki {wiki!r}: not the name of a wiki", remedy=_NAMES)
    if date != "latest" and not _DATE.fullmatch(date):
        raise SettingError(f"--date {date!r}: not a date", remedy="Give one as 20261101, or `latest`.")
    dump = asked.in_turn(wiki, lambda mirror, last: _choose(web, wiki, date, kind, mirror))
    return replace(dump, others=tuple(mirror for mirror in asked.addresses if mirror != dump.mirror))


def _choose(web: Web, wiki: str, date: str, kind: str, mirror: str) -> Dump:
    """The dump of a date, or the newest one, as one mirror has it."""
    if date != "latest":
        try:
            return _dump(web, wiki, date, kind, mirror)
        except NotReady as error:
            raise FetchError(f"{wiki} {date}: {error}", remedy="Choose another --date or --kind.") from error
    problems = []
    for candidate in _dates(web, wiki, mirror)[:_DATES_TRIED]:
        try:
            return _dump(web, wiki, candidate, kind, mirror)
        except (NotReady, FetchError) as error:
            if isinstance(error, FetchError) and not _of_this_date(error):
                raise
            problems.append(f"{candidate} {error.message if isinstance(error, FetchError) else error}")
            web.listen("note", {"note": f"{wiki}: passed over: {problems[-1]}"})
    raise FetchError(
        f"{wiki}: no dump at {mirror} whose {kind} is done: {'; '.join(problems) or 'there are no dates'}",
        remedy="Choose another --kind, or name a --date.",
    )


_NAMES = (
    "Wikis are called by their database: simplewiki, enwiki, dewiki, zh_min_nanwiki, frwiktionary;"
    " https://dumps.wikimedia.org/backup-index.html lists them."
)


def _of_this_date(error: FetchError) -> bool:
    """Whether an error is about one dump (not there yet, its list broken) and not about the whole mirror."""
    return isinstance(error, BrokenStatusError) or (isinstance(error, RefusedError) and error.not_there)


def _dates(web: Web, wiki: str, mirror: str) -> list[str]:
    try:
        listing = web.get(f"{mirror}/{wiki}/", limit=_LISTING_BYTES)
    except RefusedError as error:
        if error.status != 404:
            raise
        remedy = f"{_NAMES} If the mirror lists no dates, name a --date."
        raise FetchError(f"{wiki}: {mirror} has no dumps of it", remedy=remedy) from error
    return dates_in(listing.decode("utf-8", "replace"))


def _dump(web: Web, wiki: str, date: str, kind: str, mirror: str) -> Dump:
    base = f"{mirror}/{wiki}/{date}"
    url = f"{base}/dumpstatus.json"
    files = files_of(read_status(web.get(url, limit=_STATUS_BYTES), url), wiki, date, kind, mirror)
    if not all(file.sha1 for file in files):
        # Some mirrors' lists lack checksums; those of the dump as a whole stand in a file of their own.
        listing = web.get(f"{base}/{wiki}-{date}-sha1sums.txt", limit=_STATUS_BYTES)
        sums = sums_in(listing.decode("utf-8", "replace"))
        files = [Remote(f.name, f.url, f.size, f.sha1 or sums.get(f.name, "")) for f in files]
        if missing := [file.name for file in files if not file.sha1]:
            raise NotReady(f"gives no SHA-1 for {', '.join(missing[:3])}")
    return Dump(wiki, date, kind, mirror, tuple(files))


def _files_at(web: Web, dump: Dump, mirror: str) -> tuple[Remote, ...]:
    """The files of a dump by the list of another mirror; none where it has no list that can be used."""
    try:
        return _dump(web, dump.wiki, dump.date, dump.kind, mirror).files
    except (NotReady, FetchError) as error:
        web.listen("note", {"note": f"{mirror}: its list of {dump.wiki} {dump.date} is of no use: {error}"})
        return ()


def _holds(manifest: Manifest, file: Remote) -> bool:
    """Whether a file is there and whole, also one that was right where the dump's list was wrong."""
    noted = manifest.files.get(file.name, {})
    if noted.get("listed") == file.sha1:
        file = replace(file, size=noted["size"], sha1=noted["sha1"])
    return manifest.holds(file, manifest.add)


def fetch(
    web: Web, dump: Dump, folder: Path, *, connections: int = CONNECTIONS
) -> tuple[list[str], list[str]]:
    """Bring a dump into a folder, which then holds it and its manifest.

    Each file is asked for at the dump's mirrors in turn. Its size and SHA-1 are those of the dump's list,
    whichever gives it. Where a mirror serves other bytes, the lists of the others are asked: one that
    says otherwise is believed if a mirror that is not its own serves what it says, and told of.

    Returns:
        The files that were fetched, and those that were there and whole.

    Raises:
        FetchError: a file cannot be had; those that are right are kept and not fetched again.
        StorageError: the disk has no room.
        SettingError: the folder holds another dump.
    """
    mirrors = Mirrors((dump.mirror, *dump.others), web.listen)
    lists = OtherLists(web, dump.others, lambda mirror: _files_at(web, dump, mirror))
    if connections > CONNECTIONS and host_of(MIRROR) in map(host_of, mirrors.addresses):
        message = f"--connections {connections}: dumps.wikimedia.org grants {CONNECTIONS} to one client"
        raise SettingError(message, remedy=f"Give at most {CONNECTIONS}, or a --mirror that grants more.")

    def get(file: Remote) -> Fetched:
        def ask(mirror: str, last: bool) -> Fetched:
            here = replace(file, url=f"{mirror}/{dump.wiki}/{dump.date}/{file.name}")
            try:
                # Wrong bytes are asked for again where nobody else is left to give right ones.
                return download(web, here, folder, rounds=ROUNDS if last else 1)
            except OtherBytesError as error:
                if (found := lists.find(here, mirror, folder, error)) is None:
                    raise
                return found

        return mirrors.in_turn(file.name, ask)

    by_name = {file.name: file for file in dump.files}

    def adopts(path: str) -> bool:
        file = by_name.get(finished_name(path))
        return file is not None and (path != file.name or is_whole(folder / path, file.size, file.sha1))

    with locked(folder, adopts):
        manifest = _manifest(dump, folder)
        there = [file for file in dump.files if _holds(manifest, file)]
        missing = [file for file in dump.files if file not in there]
        web.listen("begin", {"files": missing, "there": there})
        require_space(missing, folder)
        manifest.about["missing"] = [file.name for file in missing]
        manifest.write()

        def done(fetched: Fetched) -> None:
            listed = by_name[fetched.remote.name]
            wrong = (listed.size, listed.sha1) != (fetched.size, fetched.sha1)
            manifest.add(fetched, **({"listed": listed.sha1} if wrong else {}))
            manifest.about["missing"].remove(fetched.remote.name)
            manifest.write()
            web.listen("done", {"what": fetched.remote.name, "size": fetched.size})

        download_all(web, missing, folder, done, connections=connections, get=get)
    return [file.name for file in missing], [file.name for file in there]


def _manifest(dump: Dump, folder: Path) -> Manifest:
    about = {"source": "wikipedia", "wiki": dump.wiki, "dump_date": dump.date, "kind": dump.kind}
    manifest = Manifest.read_or_begin(folder, about)
    held = {key: manifest.about.get(key) for key in about}
    if held != about:
        raise SettingError(
            f"--out {folder}: holds {' '.join(map(str, held.values()))}; asked for is"
            f" {' '.join(about.values())}",
            remedy="Choose another --out: one folder holds one dump.",
        )
    manifest.about |= {"licence": dump.licence, "mirror": dump.mirror, "mirrors": [dump.mirror, *dump.others]}
    return manifest
