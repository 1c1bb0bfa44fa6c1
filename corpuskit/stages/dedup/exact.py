"""Documents under one id, ids to leave out, and documents with the very same text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from corpuskit.documents.settings import Decides
from corpuskit.errors import InputError
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.dedup.common import DIGEST, digest_words, digests, equal_groups, equal_names
from corpuskit.stages.scans import Scans


class LeaveOut(Barrier):
    """Drops the documents whose ids the user listed."""

    name = "leave_out"
    scan_schema: ClassVar[pa.Schema] = pa.schema([])

    ids: Decides[tuple[str, ...]] = ()

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Nothing: the ids are in every scan."""
        return batch.select([])

    def decide(self, scans: Scans) -> None:
        """Drop listed ids; warn about those that no document has. An id that was shared is left out whole."""
        wanted = set(self.ids)
        met: set[str] = set()
        for part in scans.parts if wanted else ():
            for first, as_read, ids in scans.names(part):
                # By the id that it stands under, or by the one that it shared with others.
                for row, either in enumerate(zip(as_read, ids, strict=True)):
                    if not wanted.isdisjoint(either):
                        met.update(either)
                        scans.drop(first + row, "left_out")
        if missing := sorted(wanted - met):
            scans.warnings.append(f"leave_out: ids that no document has: {len(missing)}, e.g. {missing[0]}")


class UniqueId(Barrier):
    """Lets one document stand under one id.

    Where a source says what several documents of one id are (``older_revision``, ``other_edition``), and
    where they have preferences, the one with the greatest stays, the first of equals. Elsewhere an id that
    returns is a number that began anew in each file: equal texts are one document, and of those with other
    texts each stays, with its place behind its id.
    """

    name = "unique_id"
    version: ClassVar[int] = 2
    scan_schema: ClassVar[pa.Schema] = pa.schema(
        [("id", DIGEST), ("title", DIGEST), ("text", DIGEST), ("kind", pa.string())]
    )

    reasons: Decides[Mapping[str, str]] = Field(default_factory=dict)
    shared_ids: Decides[Literal["keep", "refuse"]] = "keep"

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Digests of id, title and text, and the kind of source."""
        ids = batch.column("id").to_pylist()
        columns = [digests(batch.column(name).to_pylist()) for name in ("id", "title", "text")]
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
        for group in equal_groups(scans, "id"):
            # By preference, and among equal ones by part order: the last key of `lexsort` is the first.
            order = group[np.lexsort((group, -scans.preference[group]))]
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
    """Drops all but the first of the documents whose texts are equal byte for byte."""

    name = "exact_duplicates"
    scan_schema: ClassVar[pa.Schema] = pa.schema([("text", DIGEST)])

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The digest of each text."""
        texts = digests(batch.column("text").to_pylist())
        return pa.RecordBatch.from_arrays([texts], schema=self.scan_schema)

    def decide(self, scans: Scans) -> None:
        """Keep the first in part order: equal texts leave nothing else to choose by."""
        for group in equal_groups(scans, "text"):
            for ordinal in group[1:].tolist():
                scans.drop(ordinal, "duplicate", int(group[0]))
