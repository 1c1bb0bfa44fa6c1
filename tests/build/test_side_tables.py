"""Side tables: what a source tells beside its documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from corpuskit import Pipeline
from corpuskit.build.build import build_corpus
from corpuskit.cli.corpus.inspect import gather
from corpuskit.documents.batch import BatchBuilder, empty_batch
from corpuskit.documents.reading import Reading
from corpuskit.errors import SettingError, StageError
from corpuskit.report.check import problems
from corpuskit.run.folder import Run
from corpuskit.sources.source import Part, Source

ALIASES = pa.schema([pa.field("title", pa.string()), pa.field("target", pa.string())])


class Encyclopedia(Source):
    """Two parts, each with a document and with aliases in two readings, one of them without documents."""

    name: ClassVar[str] = "encyclopedia"
    side_tables: ClassVar[Mapping[str, pa.Schema]] = {"aliases": ALIASES}

    parts_with_aliases: int = 2
    wrong: bool = False

    def parts(self) -> list[Part]:
        return [Part(str(n), (), {"n": n}) for n in range(3)]

    def read(self, part: Part) -> Iterator[Reading]:
        n = part.detail["n"]
        builder = BatchBuilder()
        builder.add(id=f"encyclopedia:{n}", source="e", text=f"text {n}")
        batch = next(builder.take(rest=True))
        rows = [{"title": f"Alias {n}", "target": f"Title {n}"}]
        table = pa.Table.from_pylist(rows, schema=ALIASES)
        if self.wrong:
            table = table.rename_columns(["title", "aim"])
        told = {"aliases": table} if n < self.parts_with_aliases else {}
        yield Reading(batch, 1, 6, tables=told)
        yield Reading(empty_batch(), 0, 0, tables=told)


class Atlas(Encyclopedia):
    name: ClassVar[str] = "atlas"
    side_tables: ClassVar[Mapping[str, pa.Schema]] = {"aliases": pa.schema([pa.field("place", pa.string())])}


def test_side_tables_lie_in_the_run_and_in_its_records(tmp_path: Path) -> None:
    build_corpus([Encyclopedia()], tmp_path / "run", workers=1)
    table = ds.dataset(tmp_path / "run" / "tables" / "aliases").to_table()
    assert sorted(table.column("title").to_pylist()) == ["Alias 0", "Alias 0", "Alias 1", "Alias 1"]
    run = Run.open(tmp_path / "run")
    assert gather(run)["aside"] == {"tables/aliases": 4}
    assert list(problems(run)) == []


def test_a_damaged_side_table_is_found_and_made_again(tmp_path: Path) -> None:
    build_corpus([Encyclopedia()], tmp_path / "run")
    victim = min((tmp_path / "run" / "tables" / "aliases").iterdir())
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-5])
    assert any("aliases" in sentence for sentence in problems(Run.open(tmp_path / "run")))
    build_corpus([Encyclopedia()], tmp_path / "run")
    assert victim.read_bytes() == whole


def test_tables_that_no_part_tells_any_more_are_swept(tmp_path: Path) -> None:
    build_corpus([Encyclopedia()], tmp_path / "run")
    build_corpus([Encyclopedia(parts_with_aliases=1)], tmp_path / "run")
    assert len(list((tmp_path / "run" / "tables" / "aliases").iterdir())) == 1


def test_columns_that_were_not_declared(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"encyclopedia: table 'aliases' has the columns \['title', 'aim'\]"):
        build_corpus([Encyclopedia(wrong=True)], tmp_path / "run")


def test_two_sources_agree_on_the_columns_of_a_table() -> None:
    with pytest.raises(SettingError, match="side table 'aliases': another source declares other columns"):
        Pipeline([Encyclopedia(), Atlas()])


def test_a_table_whose_name_is_no_folder() -> None:
    class Astray(Encyclopedia):
        name: ClassVar[str] = "astray"
        side_tables: ClassVar[Mapping[str, pa.Schema]] = {"../aliases": ALIASES}

    with pytest.raises(SettingError, match=r"side table '\.\./aliases': the name cannot be that of a folder"):
        Pipeline([Astray()])
