"""A stage's version guards its output: other bytes for the same settings need a raised version.

``golden.json`` holds a digest of what each version gives on a fixed input. After raising a version, call
``UPDATE_GOLDEN=1 pytest tests/test_golden.py``: it adds the new version and never touches those there.
Digests were taken with the versions of libraries that stand beside them; with others the test cannot tell.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit import Files, Split, TrainTokenizer
from corpuskit.build.build import build_corpus
from corpuskit.build.decide.held_out import sections
from corpuskit.sources.source import Source
from corpuskit.stages import registry
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.stage import Effect, Rule, Stage
from corpuskit.tokenizer.tokenizer import Tokenizer

GOLDEN = Path(__file__).with_name("golden.json")
CASES = Path(__file__).with_name("cases")
SAMPLES = Path(__file__).resolve().parents[1] / "sample_corpora"

TEXTS = [
    "It is a truth universally acknowledged, that a single man must be in want.\n\nHowever little known.\n",
    "It is a truth universally acknowledged, that a single man must be in want.\n\nHowever little known!\n",
    "It is a truth universally acknowledged, that a single man must be in want.\n\nHowever little known.\n",
    "â€œQuotedâ€\x9d and sÃ¼ÃŸ — mojibake.\u00a0Non-breaking\u200b zero width \ufb01ne e\u0301.",
    "  Trailing   spaces \t\n\n\n\n and\r\nlines \r old\x0c feed \u2028 separator  ",
    "東京都は日本の首都です。ไทย हिन्दी Ελληνικά עברית العربية 🦉🏽‍🚀",
    "<|endoftext|> [MASK] &amp; &lt;b&gt;bold&lt;/b&gt; http://x.example/?a=b 1,234.5",
    "Word.",
    "...",
    "THE QUICK brown fox İstanbul straße don't über-cool 3rd U.S.A. naïve_snake",
]

SETTINGS = {
    "decontaminate": {"against": str(CASES / "evaluation.jsonl"), "words": 6, "action": "cut"},
    "datasets": {"path": str(SAMPLES / "notes" / "notes.jsonl")},
    "files": {"path": str(SAMPLES / "notes"), "label": "golden"},
    "gutenberg": {"path": str(SAMPLES / "books")},
    "wikipedia": {"path": str(SAMPLES / "encyclopedia.xml")},
}


def digest(value: object) -> str:
    def plain(item: object) -> object:
        if isinstance(item, bytes):
            return item.hex()
        raise TypeError(type(item))

    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=plain)
    return hashlib.sha256(text.encode()).hexdigest()


def batch() -> pa.RecordBatch:
    from corpuskit.documents.batch import BatchBuilder

    builder = BatchBuilder()
    for i, text in enumerate(TEXTS):
        builder.add(id=f"golden:{i}", source="golden", text=text, title=f"T{i}", language="en")
    return next(builder.take(rest=True))


def of_source(source: Source) -> object:
    facts = []
    for part in source.parts():
        for reading in source.read(part):
            aside = [
                [vars(item) for item in items]
                for items in (reading.dropped, reading.quarantined, reading.spans)
            ]
            account = [reading.documents_in, reading.bytes_in, dict(reading.cut), dict(reading.added)]
            facts.append([part.name, reading.batch.to_pylist(), aside, account])
    return facts


def of_stage(stage: Stage) -> object:
    result = stage.apply(batch())
    effect = result if isinstance(result, Effect) else Effect(result)
    facts: list[object] = [effect.batch.to_pylist(), {str(k): v for k, v in sorted(effect.drops.items())}]
    facts += [{str(k): v for k, v in sorted(effect.errors.items())}, [vars(c) for c in effect.cuts]]
    if isinstance(stage, Rule):
        scores = effect.batch.select(["id", *stage.columns])
        facts.append({str(k): v for k, v in sorted(stage.decide(scores).items())})
    return facts


def of_barrier(barrier: Barrier, folder: Path) -> object:
    lines = [json.dumps({"id": f"{i}", "text": text}) for i, text in enumerate(TEXTS)]
    (folder / "x.jsonl").write_text("\n".join(lines), encoding="utf-8")
    build_corpus([Files(path=str(folder / "x.jsonl"), label="x"), barrier], folder / "run")
    decisions = sorted((folder / "run" / "decisions").rglob("*.parquet"))
    # Ids are `unique_id`'s affair, which stands in every pipeline.
    tables = [pq.read_table(p) for p in decisions]
    plain = [t.drop_columns([c for c in t.column_names if c == "final_id"]) for t in tables]
    return [barrier.scan(batch()).to_pylist(), [table.to_pylist() for table in plain]]


def output(name: str, folder: Path) -> tuple[int, dict[str, Any], str]:
    """Version, libraries and digest of the output of a registered class with its default settings."""
    kind = registry.find(name)
    made = kind(**SETTINGS.get(name, {}))
    if isinstance(made, Source):
        facts = of_source(made)
    elif isinstance(made, Stage):
        facts = of_stage(made)
    else:
        assert isinstance(made, Barrier)
        facts = of_barrier(made, folder)
    return made.version, made.libraries(), digest(facts)


def check(name: str, version: int, libraries: dict[str, Any], found: str) -> None:
    """Hold a digest against the recorded one, or record it when its version is new and we are asked to."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    known = golden.setdefault(name, {})
    if os.environ.get("UPDATE_GOLDEN") and str(version) not in known:
        known[str(version)] = {"libraries": libraries, "sha256": found}
        GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert str(version) in known, f"{name}: version {version} is not in golden.json: UPDATE_GOLDEN=1 adds it"
    recorded = known[str(version)]
    if recorded["libraries"] != libraries:
        pytest.skip(f"recorded with {recorded['libraries']}, here are {libraries}")
    assert recorded["sha256"] == found, (
        f"{name}: the output of version {version} has changed. If wanted, raise `version` in its class,"
        " so that finished runs redo it, and call UPDATE_GOLDEN=1 pytest tests/test_golden.py"
    )


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_the_output_of_a_version(name: str, tmp_path: Path) -> None:
    check(name, *output(name, tmp_path))


def test_the_output_of_the_tokenizer(prose: Callable[..., Any]) -> None:
    settings = TrainTokenizer(vocab_size=500)
    trained = Tokenizer.train([*TEXTS, prose(1).text(1500)], settings.vocab_size)
    check(settings.name, settings.version, settings.libraries(), digest(json.loads(trained.data)))


def test_the_output_of_the_runner(built: Path, outputs: Callable[[Path], dict[str, str]]) -> None:
    """All files of a small build: guarded by CODE in corpuskit.build.steps, per version of pyarrow and
    others."""
    import datasketch
    import pyarrow
    import tokenizers

    from corpuskit.build.steps import CODE

    versions = {m.__name__: m.__version__ for m in (datasketch, pyarrow, tokenizers)}
    check("runner", CODE, versions, digest(outputs(built / "run")))


def test_the_sections_of_a_split() -> None:
    from corpuskit.build.steps import CODE

    split = Split(validation=0.1, test=0.05)
    found = [sections(f"id{i}", text * 20, split) for i, text in enumerate(TEXTS)]
    check("sections", CODE, {}, digest(found))


def test_a_changed_output_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stage whose output changes without its version: the check fails, also when asked to update."""
    monkeypatch.setitem(globals(), "GOLDEN", tmp_path / "g.json")
    monkeypatch.setenv("UPDATE_GOLDEN", "1")
    check("x", 1, {}, "aaa")
    check("x", 1, {}, "aaa")
    with pytest.raises(AssertionError, match="raise `version`"):
        check("x", 1, {}, "bbb")
    check("x", 2, {}, "bbb")
    assert sorted(json.loads((tmp_path / "g.json").read_text())["x"]) == ["1", "2"]
