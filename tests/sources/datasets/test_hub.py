"""Data sets of the Hub: out of the library's cache without a net, and by a Hub that is played here."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit import Datasets, build_corpus, load_recipe
from corpuskit.errors import CorpuskitError, InputError, SettingError
from corpuskit.storage.datasets.hub import in_cache
from corpuskit.train.data.tables.table import open_table

OLD, NEW = "a" * 40, "b" * 40
ROWS = {"train": ["gull", "tern", "auk"], "test": ["skua"]}


def lay_out(cache: Path, commit: str, rows: dict[str, list[str]], name: str = "default") -> Path:
    """A data set ``shore/Birds`` in the library's cache, as it lays it out."""
    folder = cache / "shore___birds" / name / "0.0.0" / commit
    folder.mkdir(parents=True)
    splits = {}
    for split, texts in rows.items():
        data = datasets.Dataset.from_dict({"text": texts, "id": [f"{split}{n}" for n in range(len(texts))]})
        path = folder / f"birds-{split}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, data.data.schema) as stream:
            stream.write_table(data.data.table)
        splits[split] = datasets.SplitInfo(split, path.stat().st_size, len(texts), dataset_name="birds")
    info = datasets.DatasetInfo(
        dataset_name="birds", config_name=name, splits=datasets.SplitDict(splits), features=data.features
    )
    info.write_to_directory(str(folder))
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The caches of the libraries, empty."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache/datasets")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache/hub"))
    return tmp_path / "cache/datasets"


@pytest.fixture
def offline(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The library was told to stay offline, and whoever tries the net fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the net was tried")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return cache


class Hub:
    """A Hub that has one data set: `dataset_info` and `load_dataset` are answered out of a folder."""

    def __init__(self, folder: Path, load: Callable[..., Any]) -> None:
        self.folder, self.load, self.commit = folder, load, NEW
        self.files = ["README.md"]
        self.calls: list[dict[str, Any]] = []

    def dataset_info(self, path: str, *, revision: str | None, timeout: float) -> SimpleNamespace:
        assert (path, timeout < 10) == ("shore/Birds", True)
        siblings = [SimpleNamespace(rfilename=name) for name in self.files]
        commit = {None: self.commit, "main": self.commit, "old": OLD}.get(revision, revision)
        return SimpleNamespace(sha=commit, siblings=siblings)

    def load_dataset(self, path: str, name: str | None = None, **options: Any) -> Any:
        if Path(path).exists() or path == "parquet":
            return self.load(path, name, **options)
        self.calls.append({"path": path, **options})
        folder = str(self.folder / options.pop("revision"))
        if options.get("streaming"):
            return self.load(folder, None if name == "default" else name, **options)
        rows = {split: data["text"][:] for split, data in self.load(folder).items()}
        lay_out(Path(datasets.config.HF_DATASETS_CACHE), Path(folder).name, rows)
        return None


@pytest.fixture
def hub(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    played = Hub(tmp_path / "hub", datasets.load_dataset)
    for commit, rows in ((OLD, {"train": ["dodo"], "test": ["moa"]}), (NEW, ROWS)):
        for split, texts in rows.items():
            path = tmp_path / "hub" / commit / f"{split}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            ids = [f"{split}{n}" for n in range(len(texts))]
            pq.write_table(pa.table({"text": texts, "id": ids}), path)
    monkeypatch.setattr(
        huggingface_hub.HfApi, "dataset_info", lambda _, *a, **k: played.dataset_info(*a, **k)
    )
    monkeypatch.setattr(datasets, "load_dataset", played.load_dataset)
    return played


def build(out: Path, **settings: Any) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Id and text of all documents, and the warnings."""
    settings = {"path": "shore/Birds", "split": "train"} | settings
    result = build_corpus([Datasets(**settings)], out)
    rows = [row for path in sorted((out / "documents").iterdir()) for row in pq.read_table(path).to_pylist()]
    return [(row["id"], row["text"]) for row in rows], result.warnings


BIRDS = [(f"datasets:shore/Birds:train{n}", text) for n, text in enumerate(ROWS["train"])]


# ------------------------------------------------------------------------------------------------- offline
def test_ds_offline(offline: Path, tmp_path: Path) -> None:
    """Neither the net nor the cache has it: told at once, and nothing is written."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("sources:\n  - datasets: {path: nobody-here/none-such, split: train, text: text}\n")
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        build_corpus(load_recipe(recipe), tmp_path / "run")
    assert time.monotonic() - began < 10
    assert "'nobody-here/none-such': no folder is there, and neither the net nor the" in str(caught.value)
    assert "Connect once" in caught.value.remedy
    assert "path of a local folder" in caught.value.remedy
    assert not (tmp_path / "run").exists()
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    with pytest.raises(InputError, match="neither the net nor the cache"):
        open_table("hf:nobody-here/none-such")


def test_no_net_is_as_being_told_to_stay_offline(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_name(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    with pytest.raises(InputError, match=r"neither the net .* \(.*Name or service not known\)"):
        build(tmp_path / "run")
    lay_out(cache, NEW, ROWS)
    assert build(tmp_path / "run")[0] == BIRDS


def test_the_cache_serves_offline_and_its_revision_is_that_which_is_asked_for(
    offline: Path, tmp_path: Path
) -> None:
    lay_out(offline, NEW, ROWS)
    assert build(tmp_path / "a")[0] == BIRDS
    assert build(tmp_path / "b", revision=NEW[:8])[0] == BIRDS
    for revision in (OLD, "v2"):
        with pytest.raises(InputError) as caught:
            build(tmp_path / "c", revision=revision)
        assert f"revision {revision!r} is not in the cache of `datasets`" in caught.value.message
        assert f"There is: {NEW}." in caught.value.remedy
    note = tmp_path / "cache/hub/datasets--shore--Birds/refs/v2"
    note.parent.mkdir(parents=True)
    note.write_text(NEW)
    assert build(tmp_path / "c", revision="v2")[0] == BIRDS
    with pytest.raises(SettingError, match=r"no split 'dev'; there are: train, test(?s:.*)columns: text, id"):
        build(tmp_path / "d", split="dev")
    with pytest.raises(InputError, match=r"no column 'body'(?s:.*)There are: text, id"):
        build(tmp_path / "d", text="body")


def test_configurations_of_the_cache(offline: Path, tmp_path: Path) -> None:
    lay_out(offline, NEW, {"train": ["Möwe"]}, "de")
    lay_out(offline, NEW, {"train": ["gull"]}, "en")
    with pytest.raises(SettingError, match="several configurations: de, en"):
        build(tmp_path / "run")
    found, _ = build(tmp_path / "run", name="de")
    assert found == [("datasets:shore/Birds/de:train0", "Möwe")]


def test_a_cache_that_lacks_a_file_is_not_whole(offline: Path, tmp_path: Path) -> None:
    folder = lay_out(offline, NEW, ROWS)
    (folder / "birds-test.arrow").unlink()
    with pytest.raises(InputError, match="is not whole in the cache"):
        build(tmp_path / "run")
    shutil.rmtree(folder)
    folder = lay_out(offline, NEW, ROWS)
    data = (folder / "birds-train.arrow").read_bytes()
    (folder / "birds-train.arrow").write_bytes(data[: len(data) // 3])
    with pytest.raises(CorpuskitError, match="damaged in the cache of `datasets`"):
        build(tmp_path / "run")


# -------------------------------------------------------------------------------------------------- online
def test_streaming_fetching_and_the_cache_give_the_same_bytes(
    hub: Hub, cache: Path, tmp_path: Path, outputs: Callable[[Path], dict[str, str]]
) -> None:
    assert build(tmp_path / "streamed")[0] == BIRDS
    assert all(call["streaming"] and call["revision"] == NEW for call in hub.calls)
    assert not list(cache.rglob("*.arrow"))
    assert build(tmp_path / "fetched", streaming=False)[0] == BIRDS
    assert sum(not call["streaming"] for call in hub.calls) == 1
    assert build(tmp_path / "cached")[0] == BIRDS
    runs = [outputs(tmp_path / name) for name in ("streamed", "fetched", "cached")]
    assert runs[0] == runs[1] == runs[2]
    record = json.loads((tmp_path / "streamed/manifest/candidates/datasets-train.json").read_text())
    assert record["made_from"]["part"]["detail"]["revision"] == NEW
    assert record["made_from"]["part"]["source"]["settings"]["path"] == "shore/Birds"
    assert "path: shore/Birds" in (tmp_path / "streamed/recipe.yaml").read_text()


def test_a_data_set_that_changed_on_the_hub_is_told_and_a_commit_pins_it(hub: Hub, tmp_path: Path) -> None:
    hub.commit = OLD
    assert build(tmp_path / "run")[0] == [("datasets:shore/Birds:train0", "dodo")]
    hub.commit = NEW
    found, warnings = build(tmp_path / "run")
    assert found == BIRDS
    assert f"datasets: changed since this run was made: revision {OLD}, now {NEW}" in warnings[0]
    assert build(tmp_path / "other", revision="old")[0] == [("datasets:shore/Birds:train0", "dodo")]
    assert build(tmp_path / "run") == (BIRDS, ())


def test_a_script_on_the_hub_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.files.append("Birds.py")
    with pytest.raises(InputError, match=r"'shore/Birds': is made by Birds\.py, and code"):
        build(tmp_path / "run")
    assert hub.calls == []


def test_what_the_hub_does_not_have(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    response: Any = SimpleNamespace(headers={}, request=None, status_code=404)
    for kind, words in (
        (huggingface_hub.errors.RepositoryNotFoundError, "no data set that you may read on the Hub"),
        (huggingface_hub.errors.RevisionNotFoundError, "no revision 'old' on the Hub"),
    ):

        def refuse(*_: object, kind: Any = kind, **__: object) -> None:
            raise kind("404", response=response)

        monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", refuse)
        with pytest.raises(CorpuskitError, match=words):
            build(tmp_path / "run", revision="old")
    assert not (tmp_path / "run").exists()


def test_a_stream_that_breaks_off_is_an_error_and_not_a_shorter_data_set(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hub" / NEW / "train.parquet"
    pq.write_table(pa.table({"text": ["bird " * 9] * 2000, "id": list(map(str, range(2000)))}), path)
    whole = hub.load_dataset

    class Broken:
        def __init__(self, data: Any) -> None:
            self.data = data

        def with_format(self, _: str) -> Broken:
            return self

        def iter(self, batch_size: int) -> Iterator[pa.Table]:
            yield next(iter(self.data.with_format("arrow").iter(batch_size)))
            raise TimeoutError("the Hub did not answer")

    def load(*words: Any, **options: Any) -> Any:
        found = whole(*words, **options)
        return Broken(found) if "split" in options else found

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(InputError, match="cannot be read on: the Hub did not answer"):
        build(tmp_path / "run")
    assert not (tmp_path / "run/ledger.json").exists()
    monkeypatch.setattr(datasets, "load_dataset", whole)
    assert len(build(tmp_path / "run")[0]) == 2000


# ---------------------------------------------------------------------------------------------- other words
def test_fine_tuning_takes_the_same_words(hub: Hub, cache: Path) -> None:
    table = open_table("{path: shore/Birds, split: train+test}")
    assert [row.values["text"] for row in table.rows()] == [*ROWS["train"], *ROWS["test"]]
    assert table.told[:2] == ("splits train, test are read", f"revision {NEW}")
    assert in_cache(Datasets(path="shore/Birds", revision=NEW)._named) is not None
    assert [row.values["text"] for row in open_table("hf:shore/Birds", split="test").rows()] == ["skua"]
    table = open_table("{path: shore/Birds, revision: old, text: id}")
    assert table.given == {"text": "id"}
    assert [row.values["text"] for row in table.rows()] == ["dodo"]
    with pytest.raises(SettingError, match=r"unknown word 'splt'(?s:.*)Did you mean 'split'"):
        open_table("{path: shore/Birds, splt: train}")


def test_a_name_is_that_of_the_hub_where_no_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "deep/recipe.yaml"
    recipe.parent.mkdir()

    def path(written: str, *overrides: str) -> str:
        recipe.write_text(f"sources:\n  - datasets: {{path: {written}}}\n")
        [(_, source)] = load_recipe(recipe, overrides).pipeline.sources
        assert isinstance(source, Datasets)
        return source.path

    assert path("owner/set") == path("hf:owner/set") == "hf:owner/set"
    assert path("set") == "hf:set"
    assert path("./set") == str(recipe.parent / "set")
    assert path("x", "sources.datasets.path=owner/set") == "hf:owner/set"
    (recipe.parent / "owner/set").mkdir(parents=True)
    assert path("owner/set") == str(recipe.parent / "owner/set")
    (tmp_path / "here").mkdir()
    assert path("x", "sources.datasets.path=here") == str(tmp_path / "here")
    assert path("here") == "hf:here"  # Never a folder where one happens to stand.
    with pytest.raises(SettingError, match="stands no name on the Hub"):
        path("hf:owner/set:en")


def test_the_recipe_s_folder_alone_decides_where_a_data_set_is(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the working folder holds: the Hub's documents, or an error; and no other fingerprint."""
    recipe = tmp_path / "deep/recipe.yaml"
    recipe.parent.mkdir()
    recipe.write_text("sources:\n  - datasets: {path: shore/Birds, split: train}\n")
    [(_, source)] = load_recipe(recipe).pipeline.sources
    assert isinstance(source, Datasets)
    named = Datasets(path="shore/Birds", split="train")
    assert source.public() == named.public()
    assert source.fingerprint(deciding=False) == named.fingerprint(deciding=False)
    assert [part.detail["revision"] for part in source.parts()] == [NEW]
    other = tmp_path / "shore/Birds"
    other.mkdir(parents=True)
    (other / "train.jsonl").write_text('{"text": "of another set"}\n')
    monkeypatch.chdir(tmp_path)
    [(_, source)] = load_recipe(recipe).pipeline.sources
    for read in (source.parts, lambda: open_table("hf:shore/Birds")):
        with pytest.raises(InputError, match="of the Hub is meant, and the working folder holds one"):
            read()
    shutil.move(tmp_path / "shore", recipe.parent)
    [(_, source)] = load_recipe(recipe).pipeline.sources
    assert [Path(file).name for part in source.parts() for file in part.files] == ["train.jsonl"]


def test_an_unknown_setting_names_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"unknown setting 'nam'(?s:.*)Did you mean 'name'"):
        Datasets(path=str(tmp_path), nam="en")
