"""Wikipedia: speed, what is kept of real pages, what is left over, safety, against the tools in use.

    python -m benchmarks.wikitext [--quick] [--json FILE] [--only GROUP]...

Groups of rows: see `GROUPS`. With ``--json`` the file is written after each group; ``--only`` measures some
groups anew and leaves the rest of the file as it is.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

from benchmarks import kept as kept_module
from benchmarks import wiki_conformance, wiki_defects, wiki_safety, wiki_templates, wikipedia_reading
from benchmarks.harness import OURS, Bar, Better, Options, Row, compare, run_benchmark
from benchmarks.wiki_defects import Judgement, judge_page
from benchmarks.wiki_html import ALL, PROSE, Agreement, Block, agree
from benchmarks.wiki_pages import DUMPS, Page, french_articles, read_dump, rendered_files
from benchmarks.wiki_sides import KEPT, ROOT, Sides

SPEED_DUMPS = ("enwiki", "enwiki 2", "frwiki", "itwiki")
QUICK_SPEED_DUMPS = ("enwiki", "frwiki")
QUICK_KEPT_DUMPS = ("enwiki", "viwiki", "ltgwiki")


def speed(options: Options) -> list[Row]:
    """Wikitext to text in memory, one thread, processor seconds, medians after a run to warm up."""
    sides = Sides(options)
    rows = []
    for dump in QUICK_SPEED_DUMPS if options.quick else SPEED_DUMPS:
        pages = read_dump(options.corpora, dump)
        size = sum(len(page.wikitext.encode()) for page in pages) / 1e6
        seconds = sides.cpu_seconds(pages, pages[0].language, quick=options.quick)
        speeds = {tool: round(size / taken, 2) for tool, taken in seconds.items()}
        rows += compare(
            f"wikitext to text, one core, {dump}",
            speeds.pop(OURS),
            speeds,
            unit="MB/s",
            better="higher",
            bar=Bar(12.0),
            input=f"{len(pages)} articles of {dump}, {size:.2f} MB of wikitext",
            note="MB of wikitext a second of processor time; ours at its default settings, a call for all",
        )
    return rows


def articles(options: Options) -> list[Row]:
    """Words of the 44 French articles against their rendered pages."""
    pages = french_articles(options.corpora)
    truth = rendered_blocks(options)
    sides = Sides(options)
    rows = []
    for choice, everything in ((PROSE, False), (ALL, True)):
        texts = sides.texts(pages, everything=everything)
        for unit, pairs in (("words", False), ("pairs of words", True)):
            found = {
                tool: [agree(t, b, choice, pairs=pairs) for t, b in zip(made, truth, strict=True)]
                for tool, made in texts.items()
            }
            described = f"44 French articles, {sum(a.asked for a in found[OURS]):,} {unit} in {choice.name}"
            for measure, least in (("recall", 97.0), ("precision", 98.0)):
                bar = Bar(least, "value") if choice is PROSE and not pairs else None
                rows += agreement_rows(
                    f"{measure} of {unit} of rendered pages, {choice.name}", found, measure, bar, described
                )
    return rows


def agreement_rows(
    what: str, found: Mapping[str, list[Agreement]], measure: str, bar: Bar | None, described: str
) -> list[Row]:
    """Rows of one measure over all words together; the mean and the worst page in the notes."""
    totals, notes = {}, {}
    for tool, pages in found.items():
        values = [getattr(page, measure) for page in pages]
        totals[tool] = round(getattr(sum(pages[1:], pages[0]), measure), 3)
        notes[tool] = f"mean of the pages {sum(values) / len(values):.2f}, worst page {min(values):.2f}"
    return compare(
        what,
        totals.pop(OURS),
        totals,
        unit="%",
        better="higher",
        bar=bar or Bar(1.0),
        input=described,
        note=notes.pop(OURS),
        notes=notes,
    )


def rendered_blocks(options: Options) -> list[list[Block]]:
    """The blocks of the rendered pages, in the order of `french_articles`."""
    KEPT.mkdir(parents=True, exist_ok=True)
    out = KEPT / "rendered.jsonl"
    python = str(options.require_peers("lxml").absolute())
    command = [python, "-m", "benchmarks.peers.rendered_html", str(out)]
    subprocess.run([*command, *map(str, rendered_files(options.corpora))], check=True, cwd=ROOT)
    with open(out, encoding="utf-8") as lines:
        return [[(part, text) for part, text in json.loads(line)["blocks"]] for line in lines]


def kept(options: Options) -> list[Row]:
    """Sentences, items, footnotes, remnants, holes on the dumps of five languages."""
    found = judgements(options, QUICK_KEPT_DUMPS if options.quick else tuple(DUMPS))
    ours = found[OURS]
    dumps = f"{', '.join(QUICK_KEPT_DUMPS if options.quick else DUMPS)}: "
    counts = ours.counts
    rows = []
    for what, least in (("sentences", 99.5), ("items", 99.0)):
        shares = {tool: round(j.share(f"{what} kept", what), 3) for tool, j in found.items()}
        name = "prose sentences without markup kept" if what == "sentences" else "list items kept"
        described = f"{dumps}{counts[what]:,} {what}"
        rows += _held(name, shares, "%", "higher", Bar(least, "value"), described, "verbatim in the text")
    glued = {tool: float(j.counts["footnotes glued"]) for tool, j in found.items()}
    described = f"{dumps}{counts['footnotes']:,} footnotes"
    note = f"six words of a footnote stand in the text; of {counts['footnotes']:,} footnotes"
    rows += _held(
        "footnotes glued into the text",
        glued,
        "footnotes",
        "lower",
        Bar(0, "value", "at most"),
        described,
        note,
    )
    left = {tool: round(j.per_thousand(j.remnants.total()), 3) for tool, j in found.items()}
    described = f"{dumps}{counts['written']:,} sentences in our text"
    rows += _held(
        "remnants of markup in 1,000 sentences",
        left,
        "remnants",
        "lower",
        Bar(0.5, "value", "at most"),
        described,
        f"ours by kind: {dict(ours.remnants.most_common())}",
    )
    for name, measure in (
        ("holes", lambda j: j.holes.total()),
        ("brackets with text deleted", lambda j: j.counts["brackets gone"]),
        ("holes and brackets with text deleted", lambda j: j.holes.total() + j.counts["brackets gone"]),
    ):
        numbers = {tool: float(measure(j)) for tool, j in found.items()}
        best = min(number for tool, number in numbers.items() if tool != OURS)
        bar = Bar(best / 10, "value", "at most") if name.startswith("holes") else None
        note = f"ours: {dict(ours.holes.most_common(12))}; {counts['brackets']:,} brackets of ours looked at"
        rows += _held(name, numbers, "places", "lower", bar, described, note)
    return rows


def templates(options: Options) -> list[Row]:
    """Numbers of conversions and texts of quotations."""
    sides = Sides(options)
    found: dict[str, wiki_templates.Kept] = {}
    dumps = QUICK_KEPT_DUMPS if options.quick else tuple(DUMPS)
    for dump in dumps:
        pages = read_dump(options.corpora, dump)
        sought = wiki_templates.marks(options, pages)
        for tool, texts in sides.texts(pages).items():
            found.setdefault(tool, wiki_templates.Kept()).add(wiki_templates.score(pages, sought, texts))
    ours = found[OURS]
    rows = []
    for kind, name in (
        ("number", "numbers of conversions kept"),
        ("quote", "texts of quotation templates kept"),
    ):
        shares = {tool: round(kept.share(kind), 3) for tool, kept in found.items()}
        described = f"{', '.join(dumps)}: {ours.all[kind]:,} templates in running text"
        lost = "; ".join(f"{title}: {mark[:60]}" for what, title, mark in ours.lost if what == kind)
        rows += _held(
            name, shares, "%", "higher", Bar(99.0, "value"), described, f"lost: {lost[:400] or 'none'}"
        )
    return rows


def _held(
    what: str, values: dict[str, float], unit: str, better: Better, bar: Bar | None, described: str, note: str
) -> list[Row]:
    peers = {tool: value for tool, value in values.items() if tool != OURS}
    return compare(what, values[OURS], peers, unit=unit, better=better, bar=bar, input=described, note=note)


def judgements(options: Options, dumps: tuple[str, ...]) -> dict[str, Judgement]:
    """What was found in the texts of each tool, all dumps together; places go to a file under ``build``."""
    sides = Sides(options)
    found: dict[str, Judgement] = {}
    with ProcessPoolExecutor() as pool:
        for dump in dumps:
            pages = read_dump(options.corpora, dump)
            tasks = {
                tool: pool.submit(judge, pages, texts, keep=tool != OURS)
                for tool, texts in sides.texts(pages).items()
            }
            for tool, task in tasks.items():
                found.setdefault(tool, Judgement()).add(task.result())
    places = KEPT / "places.json"
    places.write_text(json.dumps(found[OURS].examples, ensure_ascii=False, indent=1), encoding="utf-8")
    print(f"places of every defect of ours: {places}", file=sys.stderr)
    return found


def judge(pages: Sequence[Page], texts: Sequence[str], *, keep: bool) -> Judgement:
    """What is found in the texts of one dump; that of a peer is kept under ``build`` while nothing
    changes.
    """
    key = hashlib.sha256(inspect.getsource(wiki_defects).encode() + inspect.getsource(kept_module).encode())
    for page, text in zip(pages, texts, strict=True):
        key.update(json.dumps([page.title, page.language, page.wikitext, text]).encode())
    file = KEPT / f"judged-{key.hexdigest()[:16]}.json"
    if keep and file.exists():
        return Judgement.from_json(json.loads(file.read_text(encoding="utf-8")))
    found = Judgement()
    for page, text in zip(pages, texts, strict=True):
        judge_page(page, text, found)
    if keep:
        file.write_text(json.dumps(vars(found), ensure_ascii=False), encoding="utf-8")
    return found


GROUPS = {
    "speed": speed,
    "articles": articles,
    "kept": kept,
    "templates": templates,
    "conformance": wiki_conformance.conformance,
    "reading": wikipedia_reading.bz2_to_candidates,
    "hostile": wiki_safety.hostile,
    "pages": wiki_safety.pages,
    "memory": wiki_safety.memory,
}

if __name__ == "__main__":
    sys.exit(run_benchmark("wikitext", GROUPS))
