"""Documents under one id, ids to leave out, and documents with the very same text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from corpuskit.documents.settings import Decides
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.dedup.common import DIGEST, digests, equal_groups
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
        """Drop listed ids; warn about those that no document has."""
        wanted = set(self.ids)
        met = set()
        for part_first, rows in scans.identities():
            for row, identity in enumerate(rows):
                if identity in wanted:
                    met.add(identity)
                    scans.drop(part_first + row, "left_out")
        if missing := sorted(wanted - met):
            scans.warnings.append(f"leave_out: {len(missing)} ids match no document, e.g. {missing[0]}")


class UniqueId(Barrier):
    """Lets one document stand under one id: the one with the greatest preference, the first of equals.

    The reason of the others is what their kind of source says (``older_revision``, ``other_edition``,
    ``same_id``).
    """

    name = "unique_id"
    scan_schema: ClassVar[pa.Schema] = pa.schema([("id", DIGEST), ("title", DIGEST), ("kind", pa.string())])

    reasons: Decides[Mapping[str, str]] = Field(default_factory=dict)

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Digests of id and title, and the kind of source."""
        ids = batch.column("id").to_pylist()
        columns = [digests(ids), digests(batch.column("title").to_pylist())]
        kinds = pa.array([i.split(":", 1)[0] for i in ids], pa.string())
        return pa.RecordBatch.from_arrays([*columns, kinds], schema=self.scan_schema)

    def decide(self, scans: Scans) -> None:
        """Keep the best of each id."""
        losers: dict[int, int] = {}
        for group in equal_groups(scans, "id"):
            # By preference, and among equal ones by part order: the last key of `lexsort` is the first.
            order = np.lexsort((group, -scans.preference[group]))
            best = int(group[order[0]])
            losers |= {int(group[i]): best for i in order[1:]}
        # Two titles under one id may be a mistake of the source: worth a warning, though one of them goes.
        titles, kinds = self._facts(scans, losers.keys() | losers.values())
        differing = [o for o, best in losers.items() if titles[o] != titles[best]]
        for ordinal, best in sorted(losers.items()):
            scans.drop(ordinal, self.reasons.get(kinds[ordinal], "same_id"), best)
        if differing:
            example = scans.ids(differing[:1])[differing[0]]
            scans.warnings.append(
                f"unique_id: {len(differing)} documents share an id with one of another title, e.g. {example}"
            )

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
