"""The whole-build benchmark's own arithmetic and inputs. Nothing is timed here."""

from __future__ import annotations

import bz2
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.inputs import SLICES, BuildInput, Dump, slice_dump
from benchmarks.measure import Usage
from benchmarks.path import Side, comparison_rows, judge, marginal_growth, our_texts, recipe, step_rows

PROSE = "The miller went down to the river because the wheel had stopped before the morning."
OTHER = "Nobody in the village knew why the water had turned away from its old bed."


def side(name: str, *walls: float, out: Path = Path()) -> Side:
    usages = [
        Usage(wall_s=wall, cpu_s=wall * 2, largest_mib=wall, tree_mib=wall, exit_code=0) for wall in walls
    ]
    return Side(name, out, usages)


def test_slices_are_nested_and_lose_no_page(tmp_path: Path) -> None:
    pages = [f"  <page><title>{number}</title></page>\n" for number in range(20)]
    source = tmp_path / "dump.xml.bz2"
    # The last page is cut off, as in a dump whose download broke.
    source.write_bytes(bz2.compress(("<mediawiki>\n" + "".join(pages) + "  <page><title>cut").encode()))
    held = {}
    for size in range(1, SLICES + 1):
        slice_dump(source, tmp_path / "slice.xml", size)
        text = (tmp_path / "slice.xml").read_text()
        assert text.startswith("<mediawiki>\n")
        assert text.endswith("</mediawiki>\n")
        held[size] = [page for page in pages if page.strip() in text]
        assert text.count("<page>") == len(held[size])
    assert held[SLICES] == pages
    assert held[1] == [pages[0], pages[16]]
    assert all(set(held[size]) < set(held[size + 1]) for size in range(1, SLICES))


@pytest.mark.parametrize(
    ("seconds", "growth"),
    [
        ({1.0: 11.0, 2.0: 12.0, 4.0: 14.0, 8.0: 18.0}, 1.0),
        ({1.0: 1.0, 4.0: 16.0, 8.0: 64.0}, 2.4),
        ({1.0: 1.0, 4.0: 4.0, 8.0: 6.0}, 0.5),
    ],
)
def test_marginal_growth_is_one_for_a_line(seconds: dict[float, float], growth: float) -> None:
    assert marginal_growth(seconds) == pytest.approx(growth)


def test_marginal_growth_needs_sizes_that_can_be_timed() -> None:
    with pytest.raises(ValueError, match="three sizes"):
        marginal_growth({1.0: 1.0, 2.0: 2.0})
    with pytest.raises(ValueError, match="too small to time"):
        marginal_growth({1.0: 2.0, 2.0: 2.0, 4.0: 3.0})


def test_a_side_takes_medians_of_its_runs() -> None:
    measured = side("corpuskit", 5.0, 1.0, 3.0)
    assert (measured.wall_s, measured.cpu_s) == (3.0, 6.0)
    assert (measured.largest_mib, measured.tree_mib) == (3.0, 3.0)


def test_documents_are_read_and_scored(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    table = pa.table({"id": ["a", "b"], "text": [f"{PROSE}\n", "caf\u00e9"]})
    pq.write_table(table, tmp_path / "documents" / "0.parquet")
    measured = side("corpuskit", 1.0)
    judge(measured, our_texts(tmp_path), {"enwiki": [PROSE, OTHER]})
    assert measured.documents == 2
    assert measured.text_mb == round((len(PROSE) + 1 + 5) / 1e6, 2)
    assert measured.kept == {"enwiki": 50.0}


def test_rows_hold_both_sides_and_the_bar() -> None:
    ours, chain = side("corpuskit", 2.0), side("chain", 50.0)
    for measured in (ours, chain):
        measured.kept = {"enwiki": 99.0}
    chain.stages = [{"stage": "merge", "wall_s": 1.0, "cpu_s": 1.0, "tree_mib": 5.0, "tokens": 7}]  # type: ignore[dict-item]
    rows = comparison_rows(ours, chain, "20 books", {"enwiki": [PROSE]})
    first = rows[0]
    assert (first.tool, first.best_peer, first.ratio, first.met) == ("corpuskit", "chain", 25.0, True)
    assert [row.what for row in rows if row.met is not None] == [
        "whole build, wall time",
        "whole build, processor time",
    ]
    assert [row.tool for row in rows if row.what == "tokens in the shards"] == ["corpuskit", "chain"]
    assert rows[-1].what == "chain, merge"


def test_the_recipe_is_one_that_corpuskit_takes(tmp_path: Path) -> None:
    pytest.importorskip("corpuskit.sources.wikipedia.source")
    import yaml

    from corpuskit.build.recipe.recipe import load

    given = BuildInput((Dump(tmp_path / "a.xml", "enwiki", "en"),), tmp_path / "books", "test")
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(given)), encoding="utf-8")
    pipeline = load(path).pipeline
    assert [source.name for _, source in pipeline.sources] == ["wikipedia", "gutenberg"]
    assert pipeline.tokenizer is not None
    assert pipeline.tokenizer.vocab_size == 32_768
    assert pipeline.shards is not None


def test_steps_of_our_build_name_their_dear_stages(tmp_path: Path) -> None:
    steps = {"encode": {"tasks": 2, "seconds": 3.5}, "pass 1": {"tasks": 1, "seconds": 9.0}}
    steps["pass 1"] |= {"stage unicode": 2.0, "stage gutenberg": 6.0, "stage unique_id": 0.001}
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "timings.json").write_text(json.dumps({"steps": steps}))
    encode, first = step_rows(tmp_path, "a dump")
    assert (encode.what, encode.value, encode.unit) == ("build, encode", 3.5, "s")
    assert first.note == "1 tasks, their wall times added up, gutenberg 6.0 s, unicode 2.0 s"
