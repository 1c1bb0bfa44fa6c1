"""The steps of a build, one after the other, and what each of their tasks is made from.

The order is always the same: the passes over the text with decisions between them, the counting of
pretokens, the tokenizer, the encoding, the shards. `steps` yields each step's tasks and is sent their
records, since tasks are fingerprinted over the records of the steps before: a change redoes what depends on
it and nothing else. Who drives it decides what becomes of the tasks: a build runs them, a dry run looks them
up.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import tokenizers

from corpuskit.build.decide.decide import decide
from corpuskit.build.decide.earlier import EarlierPart, comparing, scan_earlier, scan_path
from corpuskit.build.decide.held_out import Split
from corpuskit.build.decide.planted import LABEL as PLANT
from corpuskit.build.decide.planted import plant
from corpuskit.build.parts import NamedPart
from corpuskit.build.passes.inputs import DecidedInput, PassInput, SourceInput
from corpuskit.build.passes.run_pass import run_pass
from corpuskit.build.pipeline import Pipeline
from corpuskit.build.segment import Segment
from corpuskit.build.source_code import fingerprint
from corpuskit.build.write.count_pretokens import count_part
from corpuskit.build.write.encode import LABEL, Proof, encode_part
from corpuskit.build.write.pack_shards import LABEL as PACK
from corpuskit.build.write.pack_shards import pack_shards
from corpuskit.build.write.train_tokenizer import make_tokenizer
from corpuskit.build.write.write_shards import write_shards
from corpuskit.documents.ledger import Ledger
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL, PLANTED, REPEATED, SHARDS_MANIFEST, TOKENIZER
from corpuskit.run.record import Output, Record
from corpuskit.run.task import BuildTask
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.stage import Stage
from corpuskit.tokenizer import spelled
from corpuskit.tokenizer.count import COUNTS
from corpuskit.tokenizer.patterns import described
from corpuskit.tokenizer.train import TrainTokenizer

CODE = 5
"""Version of what the runner itself does to bytes: raised when equal settings would give others."""

RUNNER: Mapping[str, Any] = {
    "code": CODE,
    # What writes the bytes of every output, and what decides about letters and normal forms.
    "pyarrow": pa.__version__,
    "unicode": unicodedata.unidata_version,
}
"""Part of what every task is made from."""


@dataclass(frozen=True)
class Step:
    """Tasks that do not depend on one another.

    Attributes:
        kept: whether what they write belongs to the finished run; it is swept otherwise.
    """

    title: str
    tasks: Sequence[BuildTask]
    kept: bool = True


@dataclass
class Records:
    """The records of all steps."""

    passes: list[list[Record]] = field(default_factory=list)
    decisions: list[Record] = field(default_factory=list)
    counts: list[Record] = field(default_factory=list)
    tokenizer: Record | None = None
    planted: Record | None = None
    shards: Record | None = None
    packing: Record | None = None

    @property
    def spelled(self) -> list[str]:
        """A sentence about documents that spell a special token, as they were counted for a tokenizer."""
        return spelled.told(sum(record.facts["spelled"] for record in self.counts))

    @property
    def documents(self) -> int:
        """Documents that are left at the end of the last pass; without any there is nothing to encode."""
        return self.standing[0]

    @property
    def standing(self) -> tuple[int, int]:
        """Documents at the end of the last pass, and bytes of their texts."""
        entries = [record.ledger.entries[FINAL] for record in self.passes[-1]]
        return sum(e.documents_kept for e in entries), sum(e.bytes_kept for e in entries)


def steps(
    pipeline: Pipeline, run: Run, parts: Sequence[NamedPart], earlier_parts: Sequence[EarlierPart] = ()
) -> Generator[Step, list[Record], Records]:
    """Yield the steps of a build in order; send each one's records, in the order of its tasks.

    Nothing is run here, and nothing but records is read from the run.

    Args:
        earlier_parts: of the builds whose documents are not to come again.
    """
    records = Records()
    segments = pipeline.segments()
    for segment in segments:
        earlier = segments[segment.index - 1] if segment.index else None
        if earlier is not None:
            split = pipeline.split if segment.folder == FINAL else None
            known = list[tuple[EarlierPart, Output]]()
            if earlier_parts and comparing(earlier):
                scans = [_earlier(run, earlier, part) for part in earlier_parts]
                done = yield Step(_earlier_title(earlier), scans)
                paths = [scan_path(earlier, part) for part in earlier_parts]
                known = [(p, r.file(o)) for p, r, o in zip(earlier_parts, done, paths, strict=True)]
            task = _decision(run, earlier, parts, records.passes[-1], split, known)
            records.decisions += yield Step(task.name, [task])
        tasks = [
            _pass(pipeline, run, segment, earlier, part, records, index) for index, part in enumerate(parts)
        ]
        records.passes.append((yield Step(segment.title, tasks)))
    documents = [
        record.file(run.path("documents", FINAL, part.name))
        for record, part in zip(records.passes[-1], parts, strict=True)
    ]
    if pipeline.tokenizer is not None and records.documents:
        taken = documents if pipeline.tokenizer.file is None else []
        if pipeline.tokenizer.counts:
            records.counts = yield Step("counts", _counting(pipeline.tokenizer, run, parts, documents))
            taken = [record.outputs[0] for record in records.counts]
        [records.tokenizer] = yield Step("tokenizer", [_tokenizer(pipeline, run, taken)])
    planted = dict[str, Output]()
    if pipeline.plants and records.documents:
        [records.planted] = yield Step(PLANT, [_planting(pipeline, run, documents, records.standing)])
        planted = {name: records.planted.file(path) for name, path in _tables(pipeline, run).items()}
    if records.tokenizer is not None and pipeline.shards is not None:
        tokenizer, facts = records.tokenizer.file(TOKENIZER), records.tokenizer.facts
        written = dict(zip((part.name for part in parts), documents, strict=True))
        task = _shards(pipeline, run, written, planted, tokenizer.sha256, facts)
        account, encoded, proof, names = Ledger(), list[Output](), Proof(), 0
        # The encoded parts are long swept when the shards are there.
        if run.done(task.name, task.fingerprint) is None:
            encoding = _encoding(pipeline, run, written | planted, tokenizer)
            for record in (yield Step(LABEL, encoding, kept=False)):
                account.merge(record.ledger)
                encoded += record.outputs
                proof.add(Proof(**record.facts["proof"]))
                names += record.facts["spelled"]
        told: dict[str, Any] = {"lossy": vars(proof)} if pipeline.lossy else {}
        told["spelled"] = names
        [records.shards] = yield Step("shards", [task.given(encoded, ledger=account, told=told)])
        if pipeline.packing is not None:
            [records.packing] = yield Step(PACK, [_packing(pipeline, run, records.shards)])
    return records


def titles(pipeline: Pipeline) -> list[str]:
    """The titles of all steps, in order."""
    found = []
    for segment in pipeline.segments():
        found.append(segment.title)
        if segment.deciders:
            found += [_earlier_title(segment)] if pipeline.against and comparing(segment) else []
            found.append(f"decisions/{segment.folder}")
    if pipeline.tokenizer is not None:
        found += ["counts", "tokenizer"] if pipeline.tokenizer.counts else ["tokenizer"]
    found += [PLANT] if pipeline.plants else []
    found += [LABEL, "shards"] if pipeline.tokenizer is not None and pipeline.shards is not None else []
    found += [PACK] if pipeline.packing is not None else []
    return found


def stage_order(pipeline: Pipeline) -> list[str]:
    """Names in the ledger, in the order in which documents meet them."""
    order = [label for label, _ in pipeline.sources]
    for segment in pipeline.segments():
        order += [label for label, step in segment.steps if isinstance(step, Stage)]
        order += [f"{label} decided" for label, _ in segment.deciders]
    return [*order, FINAL, PLANT, LABEL]


# ------------------------------------------------------------------------------------------------ the tasks
def _pass(
    pipeline: Pipeline,
    run: Run,
    segment: Segment,
    earlier: Segment | None,
    part: NamedPart,
    records: Records,
    index: int,
) -> BuildTask:
    made_from: dict[str, Any] = {
        **RUNNER,
        # Who scans nothing has no part in what a pass writes: it may come and go without another pass.
        "steps": [
            [label, fingerprint(step, deciding=False)]
            for label, step in segment.steps
            if not isinstance(step, Barrier) or len(step.scan_schema)
        ],
        "columns": [[name, str(kind)] for name, kind in segment.columns.items()],
    }
    taken: PassInput
    reads: list[Output] = []
    if earlier is None:
        made_from["part"] = part.made_from
        taken = SourceInput(part.label, part.source, part.part, pipeline.source_columns, part.stamps)
    else:
        documents = records.passes[-1][index].file(run.path("documents", earlier.folder, part.name))
        decided = records.decisions[-1].file(run.path("decisions", earlier.folder, part.name))
        made_from |= {"documents": documents.sha256, "decisions": decided.sha256}
        reads = [documents, decided]
        path = run.path("decided_cuts", earlier.folder, part.name)
        if cuts := records.decisions[-1].find(path):
            made_from["cuts"] = cuts.sha256
            reads.append(cuts)
        final = segment.folder == FINAL
        taken = DecidedInput(documents.path, decided.path, final, cuts.path if cuts else None)
    arguments = {"segment": segment, "part": part.name, "documents": taken}
    name = f"{segment.folder}/{part.name}"
    return BuildTask(name, made_from, run_pass, run, arguments, part.part.bytes, reads)


def _earlier_title(segment: Segment) -> str:
    return f"earlier builds/{segment.folder}"


def _earlier(run: Run, segment: Segment, part: EarlierPart) -> BuildTask:
    """Scan the documents of a part of an earlier build."""
    made_from = {
        **RUNNER,
        "steps": [[label, fingerprint(barrier, deciding=False)] for label, barrier in comparing(segment)],
        "documents": part.documents.sha256,
    }
    arguments = {"segment": segment, "part": part}
    name = f"earlier/{segment.folder}/{part.part}"
    return BuildTask(name, made_from, scan_earlier, run, arguments, part.documents.bytes)


def _decision(
    run: Run,
    segment: Segment,
    parts: Sequence[NamedPart],
    records: Sequence[Record],
    split: Split | None,
    known: Sequence[tuple[EarlierPart, Output]],
) -> BuildTask:
    """Decide about what a pass has written.

    Args:
        known: the parts of earlier builds, with their scans.
    """
    counts, scans, reads = [], [], list[Output]()
    for part, record in zip(parts, records, strict=True):
        scan = record.file(run.path("scans", segment.folder, part.name))
        documents = record.file(run.path("documents", segment.folder, part.name))
        counts.append((part.name, scan.rows))
        # Scores, sources and places are read from the documents, so decisions depend on these too.
        scans.append([scan.sha256, documents.sha256])
        reads += [scan, documents]
    made_from = {
        **RUNNER,
        # All settings, not only those marked `Decides`: an unmarked one that is used here must count too.
        "deciders": [
            [label, fingerprint(decider, deciding=True), fingerprint(decider, deciding=False)]
            for label, decider in segment.deciders
        ],
        "scans": scans,
        "parts": [part.name for part in parts],
        "split": None if split is None else split.model_dump(mode="json"),
    }
    if known:  # Without, it is the same task as before there was anything to compare with.
        made_from["earlier"] = [[*part.identity, output.sha256] for part, output in known]
    arguments = {"segment": segment, "parts": counts, "split": split}
    arguments["earlier"] = [(part, output.rows or 0) for part, output in known]
    reads += [output for _, output in known]
    return BuildTask(f"decisions/{segment.folder}", made_from, decide, run, arguments, reads=reads)


def _counting(
    settings: TrainTokenizer, run: Run, parts: Sequence[NamedPart], documents: Sequence[Output]
) -> list[BuildTask]:
    """Count the pretokens of each part; of the rest of the tokenizer's settings they know nothing."""
    pattern, digits, tasks = settings.pattern, settings.digits, []
    for part, written in zip(parts, documents, strict=True):
        made_from = {
            **RUNNER,
            "counts": COUNTS,
            "cut": described(pattern, digits),
            "documents": written.sha256,
        }
        arguments = {"part": part.name, "documents": written.path, "pattern": pattern, "digits": digits}
        name = f"counts/{part.name}"
        tasks.append(BuildTask(name, made_from, count_part, run, arguments, written.bytes, [written]))
    return tasks


def _tokenizer(pipeline: Pipeline, run: Run, taken: Sequence[Output]) -> BuildTask:
    settings = pipeline.tokenizer
    assert settings is not None
    made_from: dict[str, Any] = {**RUNNER, "tokenizer": fingerprint(settings, deciding=False)}
    if settings.file is None:
        made_from["counts" if settings.counts else "documents"] = [output.sha256 for output in taken]
    arguments: dict[str, Any] = {"settings": settings, "taken": [output.path for output in taken]}
    # Where sources tell their names, weights were held against them before anything was read.
    arguments["check_weights"] = bool(settings.weights) and pipeline.source_names is None
    return BuildTask("tokenizer", made_from, make_tokenizer, run, arguments, reads=taken)


def _planting(
    pipeline: Pipeline, run: Run, documents: Sequence[Output], standing: tuple[int, int]
) -> BuildTask:
    """Plant canaries, and repeat documents; of the tokenizer it knows nothing, nor that of it."""
    chosen = {kind.name: kind for kind in (pipeline.canaries, pipeline.repeat) if kind is not None}
    mix = pipeline.mixture
    schema = pipeline.segments()[-1].schema
    made_from = {
        **RUNNER,
        "planted": [fingerprint(kind, deciding=False) for kind in chosen.values()],
        "columns": [[field.name, str(field.type)] for field in schema],
        # Repeated documents are read; canaries stand beside the documents in the account.
        "documents": [d.sha256 for d in documents],
    }
    arguments = {"documents": [d.path for d in documents], "schema": schema, "standing": standing}
    if mix is not None:
        made_from["mix"] = mix.plain()
    arguments |= {"canaries": pipeline.canaries, "repeat": pipeline.repeat, "mix": mix}
    reads = documents if pipeline.repeats else ()
    return BuildTask(PLANT, made_from, plant, run, arguments, reads=reads)


def _tables(pipeline: Pipeline, run: Run) -> dict[str, str]:
    """Paths of the tables that are planted, by the name that their part has."""
    parts = {PLANTED: pipeline.canaries is not None, REPEATED: pipeline.repeats}
    return {name: run.path("planted", f"{name}.parquet") for name, there in parts.items() if there}


def _encoding(
    pipeline: Pipeline, run: Run, documents: Mapping[str, Output], tokenizer: Output
) -> list[BuildTask]:
    """Encode part by part, each named; `_shards` joins the parts."""
    tasks, split, lossy = [], pipeline.split, pipeline.lossy
    for part, written in documents.items():
        made_from = {
            **RUNNER,
            "tokenizer": tokenizer.sha256,
            "tokenizers": tokenizers.__version__,
            "documents": written.sha256,
            "part": part,
            "split": split.model_dump(mode="json"),
            "lossy": lossy,
        }
        arguments = {"part": part, "documents": written.path, "split": split, "lossy": lossy}
        name, reads = f"encoded/{part}", [written, tokenizer]
        tasks.append(BuildTask(name, made_from, encode_part, run, arguments, written.bytes, reads))
    return tasks


def _shards(
    pipeline: Pipeline,
    run: Run,
    documents: Mapping[str, Output],
    planted: Mapping[str, Output],
    digest: str,
    facts: Mapping[str, Any],
) -> BuildTask:
    settings = pipeline.shards
    assert settings is not None
    made_from = {
        **RUNNER,
        "shards": fingerprint(settings, deciding=False),
        # What came of an allowance must not pass as done without it.
        "tokenizer": [digest, "lossy"] if pipeline.lossy else digest,
        "tokenizers": tokenizers.__version__,
        "documents": [[name, d.sha256] for name, d in documents.items()],
    }
    if planted:  # Without, it is the same task as before there was anything to plant.
        made_from["planted"] = [[name, d.sha256] for name, d in planted.items()]
    arguments: dict[str, Any] = {"parts": list(documents), "planted": list(planted), "settings": settings}
    arguments |= {"tokenizer_sha256": digest, "facts": facts}
    return BuildTask("shards", made_from, write_shards, run, arguments)


def _packing(pipeline: Pipeline, run: Run, shards: Record) -> BuildTask:
    """Note how rows are packed, and what that does."""
    settings = pipeline.packing
    assert settings is not None
    manifest = shards.file(SHARDS_MANIFEST)
    made_from = {**RUNNER, "packing": fingerprint(settings, deciding=False), "shards": manifest.sha256}
    reads = [output for output in shards.outputs if output.path.endswith((".idx", ".json"))]
    return BuildTask(PACK, made_from, pack_shards, run, {"settings": settings}, reads=reads)
