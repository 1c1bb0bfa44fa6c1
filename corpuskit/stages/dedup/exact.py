"""Documents under one id, and documents with the very same text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from corpuskit.documents.settings import Decides
from corpuskit.errors import InputError
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.dedup.common import DIGEST, digest_words, digests, equal_groups, equal_names
from corpuskit.stages.scans import Scans
from corpuskit.storage.spill import Ordinals


class UniqueId(Barrier):
    """Lets one document stand under one id.

    Where a source says what several documents of one id are (``older_revision``, ``other_edition``), and
    where they have preferences, the one with the greatest stays, of equals the one of the least text digest.
    Elsewhere an id that returns is a number that began anew in each file: equal texts are one document, and
    of those with other texts each stays, with its place behind its id. A document whose id an earlier build
    has with another text stays, and is told.
    """

    name = "unique_id"
    version: ClassVar[int] = 3
    sees_earlier: ClassVar[bool] = True
    scan_schema: ClassVar[pa.Schema] = pa.schema(
        [("id", DIGEST), ("title", DIGEST), ("text", DIGEST), ("kind", pa.string())]
    )

    reasons: Decides[Mapping[str, str]] = Field(default_factory=dict)
    shared_ids: Decides[Literal["keep", "refuse"]] = "keep"

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Digests of id, title and text, and the kind of source."""
        ids = batch.column("id").to_pylist()
        columns = [digests(batch.column(name)) for name in ("id", "title", "text")]
        kinds = pa.array([i.split(":", 1)[0] for i in ids], pa.string())
        return pa.RecordBatch.from_arrays([*columns, kinds], schema=self.scan_schema)

    def decide(self, scans: Scans) -> None:
        """Keep the best of each id, or all of them."""
        texts = scans.array("text", np.uint64, (2,))
        revised = scans.array("revised", np.bool_)
        for first, rows in scans.rows("text", "kind"):
            last = first + rows.num_rows
            texts[first:last] = digest_words(rows.column("text"))
            revised[first:last] = [k in self._revised for k in rows.column("kind").to_pylist()]
        losers: dict[int, int] = {}
        example: list[int] = []
        met: list[tuple[int, int]] = []
        for group, before in _apart(equal_groups(scans, "id"), scans.first_earlier):
            if len(before):
                # Of two earlier builds each may have another text under the id.
                known = {texts[o].tobytes() for o in before}
                met += [(int(o), int(before[0])) for o in group if texts[o].tobytes() not in known]
            if len(group) < 2:
                continue
            # By preference, among equal ones by text, so that the order of rows chooses no text: the last key
            # of `lexsort` is the first.
            words = texts[group]
            order = group[np.lexsort((group, words[:, 1], words[:, 0], -scans.preference[group]))]
            best = int(order[0])
            equals = order[scans.preference[order] == scans.preference[best]]
            # The first of each text; what is of less worth than these goes for the best of them.
            stays = {texts[o].tobytes(): int(o) for o in equals[::-1]}
            if revised[best] or len(stays) == 1:
                losers |= {int(o): best for o in order[1:]}
            else:
                scans.placed[list(stays.values())] = 1
                example = min(example or [scans.documents], sorted(stays.values())[:2])
                among = zip(order.tolist(), (stays.get(texts[o].tobytes(), best) for o in order), strict=True)
                losers |= {o: other for o, other in among if o != other}
        self._drop(scans, losers)
        if example:
            self._tell(scans, example)
        if met := [pair for pair in met if scans.kept[pair[0]]]:
            new, old = scans.ids(min(met)).values()
            scans.warnings.append(
                f"unique_id: {len(met)} documents have ids that an earlier build gave to other texts, e.g."
                f" {new}, met in {old}: an id alone drops nothing"
            )

    @property
    def _revised(self) -> set[str]:
        """Kinds of sources in which documents of one id are revisions or editions of one."""
        return {kind for kind, reason in self.reasons.items() if reason != "same_id"}

    def _drop(self, scans: Scans, losers: Mapping[int, int]) -> None:
        # Two titles under one id may be a mistake of the source: worth a warning, though one of them goes.
        titles, kinds = self._facts(scans, losers.keys() | set(losers.values()))
        differing = [o for o, best in losers.items() if titles[o] != titles[best]]
        for ordinal, best in sorted(losers.items()):
            scans.drop(ordinal, self.reasons.get(kinds[ordinal], "same_id"), best)
        if differing:
            example = scans.ids(differing[:1])[differing[0]]
            scans.warnings.append(
                f"unique_id: documents dropped for one of another title: {len(differing)}, e.g. {example}"
            )

    def _tell(self, scans: Scans, example: list[int]) -> None:
        """Say how many texts share an id; see that with their places they do so no more."""
        for group in equal_names(scans):
            scans.placed[group] *= 2
        shared = int(np.count_nonzero(scans.placed))
        names = " and ".join(scans.ids(example).values())
        message = f"unique_id: {shared} documents share their ids with documents of other texts, e.g. {names}"
        if self.shared_ids == "refuse":
            raise InputError(
                message,
                remedy="Mend the ids or name another `id_field`, or set `shared_ids: keep` to keep them all.",
            )
        scans.warnings.append(f"{message}: all stay, with the place of each behind its id")

    @staticmethod
    def _facts(scans: Scans, ordinals: set[int]) -> tuple[dict[int, bytes], dict[int, str]]:
        titles: dict[int, bytes] = {}
        kinds: dict[int, str] = {}
        for first, rows in scans.rows("title", "kind"):
            for ordinal in ordinals & set(range(first, first + rows.num_rows)):
                titles[ordinal] = rows.column("title")[ordinal - first].as_py()
                kinds[ordinal] = rows.column("kind")[ordinal - first].as_py()
        return titles, kinds


class ExactDuplicates(Barrier):
    """Drops all but one of the documents whose texts are equal, in whatever normal form they are written.

    Texts are compared in Unicode's normal form C (UAX 15), by a 128-bit digest: a letter and its accent as
    one character or as two are one text; what compatibility alone makes equal (ligatures, full-width letters)
    is not, and accents count. The text that stays is left as it was read. One that is in form C goes before
    others, and of these one by its digest; of texts that are written alike the one of the least id stays, in
    the order of code points: the order of rows decides nothing. A copy of a document that an earlier build
    holds goes for that one.
    """

    name = "exact_duplicates"
    version: ClassVar[int] = 2
    sees_earlier: ClassVar[bool] = True
    scan_schema: ClassVar[pa.Schema] = pa.schema([("text", DIGEST), ("form", pa.uint64())])

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The digest of each text in normal form C; 0 for one that is in that form, else part of its own."""
        written = batch.column("text").to_pylist()
        texts = [composed(text) for text in written]
        form = np.zeros(len(texts), np.uint64)
        if other := [row for row, text in enumerate(texts) if text is not written[row]]:
            form[other] = digest_words(digests([written[row] for row in other]))[:, 0] | np.uint64(1)
        return pa.RecordBatch.from_arrays([digests(texts), pa.array(form)], schema=self.scan_schema)

    def decide(self, scans: Scans) -> None:
        """Keep one of each group of equal texts: an earlier build's, else by form, digest and id."""
        form = scans.array("form", np.uint64)
        for first, rows in scans.rows("form"):
            form[first : first + rows.num_rows] = rows.column("form").to_numpy()
        first = scans.first_earlier
        groups: list[list[int]] = []
        for own, before in _apart(equal_groups(scans, "text"), first):
            if len(before):
                for ordinal in own.tolist():
                    scans.drop(ordinal, "duplicate", int(before[0]))
            else:
                groups.append(own.tolist())
        ids = scans.ids(ordinal for group in groups for ordinal in group)
        for group in groups:
            best = min(group, key=lambda ordinal: (int(form[ordinal]), ids[ordinal]))
            for ordinal in group:
                if ordinal != best:
                    scans.drop(ordinal, "duplicate", best)


def composed(text: str) -> str:
    """A text in Unicode's normal form C.

    >>> composed("cafe\u0301") == "caf\u00e9"
    True
    """
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    return unicodedata.normalize("NFC", text)


def _apart(groups: Iterator[Ordinals], first_earlier: int) -> Iterator[tuple[Ordinals, Ordinals]]:
    """Each ascending group with documents that are built, and those of it that an earlier build has."""
    for group in groups:
        border = int(np.searchsorted(group, first_earlier))
        if border:
            yield group[:border], group[border:]
