"""The vocabulary report as tables of words: for a terminal, and for the page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

_FEW = 12
"""Tokens of a kind that are shown; the JSON has them all."""


class Table(NamedTuple):
    """A table of words. Its first column stands to the left, the others to the right.

    Attributes:
        notes: sentences below it.
        prose: whether the last column stands to the left, too, since it is a list.
    """

    title: str
    head: Sequence[str]
    rows: list[Sequence[str]]
    notes: list[str]
    prose: bool = False


def tables(facts: dict[str, Any], tokens: list[dict[str, Any]]) -> Iterator[Table]:
    """All that a report says, in the order in which it is read.

    Args:
        facts, tokens: of a `VocabularyReport`.
    """
    yield _fertility(facts)
    yield _classes(facts, tokens)
    yield from _owned(facts)
    yield _signs(facts)
    if facts["spelled"]:
        rows = [
            (quoted(token), f"{found['times']:,}", f"{found['documents']:,}", found["examples"][0])
            for token, found in facts["spelled"].items()
        ]
        note = "They are text and were encoded as the characters that they are made of."
        head = ("token", "times", "documents", "first")
        yield Table("Special tokens that texts spell", head, list(rows), [note])
    if len(facts["curve"]) > 1:
        yield _curve(facts)
    yield _advice(facts)
    for other in facts["against"]:
        yield _against(other)


def lines(facts: dict[str, Any], tokens: list[dict[str, Any]], width: int = 110) -> list[str]:
    """The report as lines of text, notes broken at so many columns."""
    found = [headline(facts), ""]
    for table in tables(facts, tokens):
        found += [table.title, *_aligned([table.head, *table.rows], table.prose)]
        for note in table.notes:
            found += textwrap.wrap(note, min(width, 110), initial_indent="  ", subsequent_indent="  ")
        found.append("")
    return found[:-1]


def headline(facts: dict[str, Any]) -> str:
    """The vocabulary and the shards in a sentence."""
    return (
        f"{facts['run']}: {facts['model']} of {facts['vocab_size']:,} tokens, {facts['special_tokens']:,}"
        f" of them special; {facts['tokens']:,} tokens and {facts['end_marks']:,} end marks in the shards"
    )


def _aligned(rows: Sequence[Sequence[str]], prose: bool) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    aligned = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        cells[-1:] = others[-1:] if prose else cells[-1:]
        aligned.append("  " + "  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return aligned


def figure(found: dict[str, Any]) -> str:
    """A ratio with half its interval: ``3.214 ± 0.021``."""
    if found["value"] is None:
        return "-"
    if found["interval"] is None:
        return f"{found['value']:.3f}"
    return f"{found['value']:.3f} ± {(found['interval'][1] - found['interval'][0]) / 2:.3f}"


def quoted(text: str) -> str:
    """A token in quotes, so that its blanks are seen."""
    return repr(text)


def _fertility(facts: dict[str, Any]) -> Table:
    rows: list[Sequence[str]] = []
    kinds = [(f"source {name}", group) for name, group in facts["sources"].items()]
    kinds += [(f"language {name or '(unknown)'}", group) for name, group in facts["languages"].items()]
    for name, group in [*kinds, ("all", facts["all"])]:
        rows.append(
            (
                name,
                f"{group['documents']:,}",
                f"{group['bytes']:,}",
                f"{group['tokens']:,}",
                figure(group["bytes_per_token"]),
                figure(group["tokens_per_word"]),
            )
        )
    notes = ["± is half of a 95 % interval over documents."]
    if facts["share_read"] < 1:
        notes.append(f"Words were counted in {100 * facts['share_read']:.1f} % of the documents.")
    head = ("", "documents", "bytes", "tokens", "bytes a token", "tokens a word")
    return Table("Bytes per token, tokens per word", head, rows, notes)


def _classes(facts: dict[str, Any], tokens: list[dict[str, Any]]) -> Table:
    by_id = {row["id"]: row for row in tokens}
    words = {
        "never": "never produced",
        "rare": f"fewer than {facts['rare']['below']} times",
        "unreachable": "no text can produce",
        "intermediate": "only on the way to others",
        "partial": "parts of characters",
    }
    rows: list[Sequence[str]] = []
    for name, said in words.items():
        found = facts[name]
        if found is None:
            rows.append((said, "-", "-", "not said by the merges alone"))
            continue
        # What a merge made is worth a look; single bytes are in any vocabulary.
        some = sorted(found["ids"], key=lambda number: (by_id[number]["count"], -number))
        shown = " ".join(quoted(by_id[n]["token"]) for n in [n for n in some if by_id[n]["merged"]][:_FEW])
        rows.append((said, f"{found['count']:,}", f"{found['merged']:,}", shown))
    note = f"of {facts['text_tokens']:,} tokens that stand for text"
    if facts["partial"]["never_in_utf8"]:
        note += f"; {facts['partial']['never_in_utf8']} single bytes stand in no UTF-8 at all"
    return Table("Tokens that are worth little", ("", "tokens", "merged", "for instance"), rows, [note], True)


def _owned(facts: dict[str, Any]) -> Iterator[Table]:
    titles = {
        "alone": "Tokens of one document alone: candidates for glitch tokens",
        "dominated": "Tokens with more than half of their occurrences in one document",
    }
    for name, title in titles.items():
        found = facts[name]
        rows = [
            (quoted(row["token"]), f"{row['count']:,}", f"{row['in_document']:,}", row["document"])
            for row in found["tokens"][:_FEW]
        ]
        if rows:
            head = ("token", "times", "in the document", "document")
            notes = [f"{found['count']:,} in all"]
            yield Table(title, head, list(rows), notes)


def _signs(facts: dict[str, Any]) -> Table:
    signs = facts["signs"]
    words = {"digits": "digits alone", "blanks": "white space alone", "blank_in_front": "a blank in front"}
    words["unknown"] = "the unknown token"
    rows = []
    for name in (name for name in words if name in signs):
        found = signs[name]
        lengths = ", ".join(f"{size}: {n:,}" for size, n in found.get("by_length", {}).items())
        rows.append((words[name], f"{found.get('tokens', 1):,}", f"{100 * found['share']:.2f} %", lengths))
    head = ("tokens of", "tokens", "of all produced", "characters: tokens")
    return Table("Digits and white space", head, list(rows), [])


def _curve(facts: dict[str, Any]) -> Table:
    rows = []
    for point in facts["curve"]:
        saved = "-" if point["saved"] is None else f"{point['saved']:,.2f}"
        rows.append(
            (f"{point['vocab_size']:,}", f"{point['bytes_per_token']:.3f}", f"{point['tokens']:,}", saved)
        )
    head = ("vocabulary", "bytes a token", "tokens of a sample", "tokens saved by each id")
    note = (
        "The sample was drawn by the ids of documents; smaller vocabularies are the first merges of this one."
    )
    return Table("What a smaller vocabulary would do", head, list(rows), [note])


def _advice(facts: dict[str, Any]) -> Table:
    rows = []
    for said in facts["advice"]:
        cheapest = "-" if said["cheapest"] is None else f"{said['cheapest']:,}"
        fitted = "yes" if said["fitted"] else "no"
        laws = (f"{said['by_flops']:,}", f"{said['by_derivative']:,}")
        rows.append((f"{said['parameters']:,}", f"{said['width']:,}", *laws, fitted, cheapest))
    head = ("parameters beside it", "width", "law 1", "law 2", "fitted there", "least computation")
    notes = [
        f"Laws 1 and 2: {facts['advice_source']}. They were fitted on English text, with embeddings that are"
        " not tied, for models that read as much text as their size is worth. Parameters are those beside the"
        " vocabulary.",
        "Of small models they say too little: those of under a million parameters that were trained for this"
        " project with the same computation did better with a vocabulary of several times the size that law 2"
        " says (`python -m benchmarks.vocabulary`).",
        "Least computation: of the sizes above the one at which a model reads this text with the fewest"
        " operations, whatever it learns.",
    ]
    return Table("How large a vocabulary should be", head, list(rows), notes)


def _against(other: dict[str, Any]) -> Table:
    rows = []
    for group in [*other["groups"], {"source": "all", "language": "", **other}]:
        share = "-" if group["tokens_of_other"] is None else f"{100 * group['tokens_of_other']:.1f} %"
        name = f"{group['source']} {group['language']}".strip()
        both = (figure(group["bytes_per_token"]), figure(group["other_bytes_per_token"]))
        rows.append((name, f"{group['bytes']:,}", *both, share))
    head = ("", "bytes", "bytes a token", "of the other", "tokens of the other's")
    title = f"Beside {other['tokenizer']} of {other['vocab_size']:,} tokens"
    return Table(title, head, list(rows), [])
