"""Nothing empty is called done: a source, a stage or a build that yields no document says what became of all.

Where documents went is counted in the ledger; one of them is looked up in what was set aside, so that a
person sees what is meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from corpuskit.documents.ledger import Entry, Ledger
from corpuskit.errors import CorpuskitError, EmptyError, StageError
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL
from corpuskit.run.record import Record


def refuse_empty(run: Run, records: Sequence[Record], sources: Collection[str]) -> None:
    """Look at the records of one step.

    Args:
        sources: labels of the sources.

    Raises:
        EmptyError: a source gave no document.
        StageError: a stage failed on every document.
    """
    total = Ledger()
    for record in records:
        total.merge(record.ledger)
    for label, entry in total.entries.items():
        if label in sources and not entry.documents_kept:
            went = _most(run, records, entry) if entry.documents_in else "there is nothing in its files"
            raise EmptyError(
                f"{label}: gave no document: {went}",
                remedy="Mend the source's settings or its files, or take it out of the recipe.",
            )
        if entry.documents_in and entry.documents_quarantined.total() == entry.documents_in:
            raise StageError(
                f"{label}: failed on every document: {_most(run, records, entry)}",
                remedy="Mend that stage, or leave it out of the recipe.",
            )


def nothing_left(run: Run, records: Sequence[Record], ledger: Ledger) -> CorpuskitError:
    """The error of a build that kept no document."""
    worst = max(ledger.entries.values(), key=lambda entry: _gone(entry).total())
    name = _name(worst).removesuffix(":none")  # Sources of no epochs go by a decision of the mixture's own.
    return EmptyError(
        f"{run.folder}: no document is left: {_most(run, records, worst)}",
        remedy=f"Loosen or mend {name!r}; `corpuskit inspect` shows all that went.",
    )


def great_losses(
    run: Run, passes: Sequence[Sequence[Record]], parts: Sequence[str], ledger: Ledger
) -> list[str]:
    """A sentence for each source of which nothing is left, and for what cost more than half of the documents.

    Of what a source drops nothing is said: most pages of a dump are redirects and talk.

    Args:
        passes: the records of each pass, of one part after the other.
        parts: the label of the source of each part.
    """
    told, kept = [], Counter[str]()
    for label, record in zip(parts, passes[-1], strict=True):
        kept[label] += record.ledger.entries[FINAL].documents_kept
    for label in sorted(label for label, count in kept.items() if not count):
        own = [r for records in passes for r, owner in zip(records, parts, strict=True) if owner == label]
        went = ", ".join(f"{count} {reason}" for reason, count in sorted(_reasons(run, own).items()))
        told.append(f"{label}: none of its documents is left: {went}")
    records = [record for one_pass in passes for record in one_pass]
    for label, entry in ledger.entries.items():
        lost = entry.documents_quarantined if label in kept else _gone(entry)
        if 2 * lost.total() > entry.documents_in and not (label in kept and not kept[label]):
            told.append(f"{_name(entry)}: {_most(run, records, entry, lost)}")
    return told


def most_lost(run: Run, records: Sequence[Record], ledger: Ledger) -> str:
    """What cost the most documents of a build, with one of them; nothing where none went."""
    entries = [entry for entry in ledger.entries.values() if _gone(entry)]
    if not entries:
        return ""
    worst = max(entries, key=lambda entry: max(_gone(entry).values()))
    return f"{_name(worst)}: {_most(run, records, worst)}"


def _reasons(run: Run, records: Iterable[Record]) -> Counter[str]:
    """Why the documents of some records were set aside."""
    reasons: Counter[str] = Counter()
    for path in (output.path for record in records for output in record.outputs):
        column = {"dropped": "reason", "quarantine": "kind"}.get(path.partition("/")[0])
        for batch in run.read_batches(path, [column]) if column else ():
            reasons.update(batch.column(column).to_pylist())
    return reasons


def _gone(entry: Entry) -> Counter[str]:
    return entry.documents_dropped + entry.documents_quarantined


def _name(entry: Entry) -> str:
    return entry.stage.removesuffix(" decided")


def _most(run: Run, records: Sequence[Record], entry: Entry, gone: Counter[str] | None = None) -> str:
    """What most documents of an entry went as, with one of them."""
    gone = _gone(entry) if gone is None else gone
    reason, count = max(gone.items(), key=lambda item: (item[1], item[0]))
    example = find(run, records, _name(entry), reason)
    return (
        f"{count} of {entry.documents_in} documents went as {reason}{f', e.g. {example}' if example else ''}"
    )


def find(run: Run, records: Iterable[Record], stage: str, reason: str) -> str:
    """One document that a stage set aside for a reason: its error where it has one, else its id."""
    for path in (output.path for record in records for output in record.outputs):
        kind = path.partition("/")[0]
        if kind in ("dropped", "quarantine"):
            names = ["stage", "reason"] if kind == "dropped" else ["stage", "kind", "error"]
            for batch in run.read_batches(path, ["id", *names]):
                for row in batch.to_pylist():
                    if [row[name] for name in names[:2]] == [stage, reason]:
                        return _shown(row)
    return ""


def _shown(row: Mapping[str, str]) -> str:
    error = row.get("error") or ""
    return error if row["id"] in error else f"{row['id']}{f': {error}' if error else ''}"
