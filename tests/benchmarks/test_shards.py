"""The benchmark of shards lays parts out that the last step of a build takes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.shards import lay_out, write
from corpuskit import Shards


def test_parts_that_are_laid_out_become_shards(tmp_path: Path) -> None:
    ids = lay_out(tmp_path / "run", 70_000, 700)
    write(tmp_path / "run")
    shards = Shards(tmp_path / "run" / "shards")
    found = {split: sum(info.tokens for info in infos) for split, infos in shards.splits.items()}
    assert found == {"train": 69_300, "validation": 700}
    assert shards.split("train").sequence(1).tolist() == ids[700:1400].tolist()
