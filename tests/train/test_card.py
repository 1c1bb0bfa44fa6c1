"""Model cards: facts and nothing else; what was not measured is said; what others wrote stays."""

import dataclasses
import hashlib
import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.torch import save_file

from corpuskit.errors import ShardError, TrainError
from corpuskit.shards.provenance import PROVENANCE
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import json_bytes, read_sealed, seal, sha256_file
from corpuskit.train import ModelSettings, TrainSettings, Transformer, train_model
from corpuskit.train.generate.generate import model_document
from corpuskit.train.hub.card import NAME, is_ours, write_card
from corpuskit.train.hub.card_facts import base_facts, data_facts, environment, hub_name
from corpuskit.train.hub.export import export_model
from corpuskit.train.model.transformer import Kind

SHAPE = ModelSettings(427, 2, 32, 4, 4, 48, 24)
TRAINING = {
    "settings": {
        "objective": "causal",
        "batch_rows": 4,
        "context": 24,
        "seed": 1337,
        "learning_rate": 0.004,
        "optimizer": "muon",
    },
    "step": 50,
    "steps": 60,
    "best_step": 40,
    "epochs": 7.5,
    "reason": "early stop",
    "validation_loss": 2.5,
    "validation_share": 1.0,
    "perplexity": 12.18,
    "bits_per_byte": 1.5,
    "shards_fingerprint": "ab12",
    "sources": {
        "wiki": {"loss": 2.0, "bits_per_byte": 1.2, "targets": 500},
        "books": {"loss": 3.0, "bits_per_byte": 1.9, "targets": 400},
    },
    "data": {
        "tokens": {"train": 9000, "validation": 900},
        "sequences": {"train": 30, "validation": 3},
        "sources": [
            {"source": "wiki", "licence": "CC BY-SA 4.0", "tokens": 6000, "share": 2 / 3},
            {"source": "books", "licence": "", "tokens": 3000, "share": 1 / 3},
        ],
        "languages": {"en": 28, "de": 4, "": 2, "nds": 1, "simple-x": 4},
        "datasets": ["owner/texts"],
    },
}
MEMORIZATION = {
    "what": "memorization",
    "command": "corpuskit memorize MODEL RUN --seed 0",
    "figures": {
        "asked": {"prefix": 50, "following": 50},
        "splits": {
            "train": {"rate": 0.031, "low": 0.02, "high": 0.05, "windows": 1000, "extracted": 31},
            "validation": {"rate": 0.0, "low": -1e-18, "high": 0.004, "windows": 900, "extracted": 0},
        },
        "samples": {"longest": 17},
        "samples_held_out": {"longest": 9},
        "membership": {"loss": {"auc": 0.71, "low": 0.6, "high": 0.8, "tells": True}},
        "canaries_by_copies": [{"copies": 5, "exposure": 3.1, "highest_possible": 19.9, "recited": 0}],
    },
}


@pytest.fixture
def model(special_run: Path, tmp_path: Path) -> Path:
    """A model folder as a training leaves it, without having trained."""
    folder = tmp_path / "my-model"
    (folder / "logs").mkdir(parents=True)
    shutil.copy(special_run / "tokenizer" / "tokenizer.json", folder)
    save_file(Transformer(SHAPE).state_dict(), folder / "model.safetensors")
    write_document(folder, training=TRAINING)
    events = [
        {
            "event": "start",
            "step": 0,
            "environment": {"device": "cpu", "processor": "A Maker's Chip", "cores": 2},
        },
        {"event": "validation", "step": 20, "train_loss": 3.1, "loss": 3.0, "seconds": 100.0},
        {"event": "validation", "step": 40, "train_loss": 2.2, "loss": 2.5, "seconds": 200.0},
        {"event": "validation", "step": 50, "train_loss": 1.0, "loss": 2.9, "seconds": 420.0},
        {
            "event": "sample",
            "step": 50,
            "text": "# The sea\n<b>the sea</b>\x1b[2J",
            "scores": {"known_words": 0.5, "longest_repeat": 3},
            "held_out": {"known_words": 0.98, "bits_per_byte": 2.25},
        },
    ]
    lines = [*map(json.dumps, events), '{"event": "st']
    (folder / "logs" / "train.jsonl").write_text("\n".join(lines))
    (folder / "curves.svg").write_text("<svg/>")
    return folder


def write_document(folder: Path, **more: Any) -> None:
    document = model_document(SHAPE, 0, sha256_file(folder / "tokenizer.json")) | more
    (folder / "model.json").write_bytes(json_bytes(seal(document)))


def evaluate(folder: Path, name: str, document: dict[str, Any]) -> Path:
    """Keep an evaluation as `corpuskit eval --save` does."""
    (folder / "evaluations").mkdir(exist_ok=True)
    path = folder / "evaluations" / f"{name}.json"
    path.write_bytes(json_bytes(seal(document)))
    return path


def said(folder: Path) -> str:
    assert write_card(folder) == folder / NAME
    return (folder / NAME).read_text()


def lines_of(text: str, heading: str) -> list[str]:
    """The lines below a heading, up to the next."""
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0].strip().splitlines()


# ---------------------------------------------------------------------------------------------- facts


@pytest.mark.parametrize(
    ("kind", "more", "use"),
    [
        ("decoder", {"objective": "causal"}, "--prompt"),
        ("encoder", {"objective": "masked"}, "--fill"),
        ("encoder-decoder", {"objective": "causal"}, "--prompt"),
        *(("encoder-decoder", {"objective": each}, "--fill") for each in ("masked", "spans", "denoise")),
        # What its base learnt by is no longer what it does.
        ("encoder-decoder", {"objective": "denoise", "tuned": {"task": "seq2seq"}}, "--prompt"),
    ],
)
def test_the_command_of_a_card_is_one_that_the_model_answers(
    model: Path, kind: Kind, more: dict[str, Any], use: str
) -> None:
    write_document(model, model=vars(dataclasses.replace(SHAPE, kind=kind)), training=TRAINING, **more)
    assert lines_of(said(model), "Use")[0].startswith(f"corpuskit sample my-model {use} ")


def test_a_card_tells_what_was_recorded(model: Path) -> None:
    text = said(model)
    assert text.startswith("# my-model\n")
    assert "| wiki | CC BY-SA 4.0 | 6,000 | 66.7% |" in text
    assert "| books | not stated | 3,000 | 33.3% |" in text
    assert "| train | 9,000 | 30 |" in text
    assert "| seed | 1337 |" in text
    assert "| steps | 50 of 60 |" in text
    assert "| tokens read | 4,800 |" in text
    assert "| time | 7 min |" in text
    assert "| hardware | cpu; A Maker's Chip, 2 cores |" in text
    assert "`ab12`" in text
    assert "| 40 (kept) | 2.2 | 2.5 | not measured |" in text
    assert "loss 2.5 nats per token, perplexity 12.18, 1.5 bits per byte" in text
    assert "(curves.svg)" in text
    assert "en 71.8%" in text
    licences = lines_of(text, "Licence")[0]
    assert "(not stated), CC BY-SA 4.0" in licences


def test_what_it_wrote_is_shown_as_it_came_and_is_no_markup(model: Path) -> None:
    text = said(model)
    assert "    # The sea\n    <b>the sea</b>\ufffd[2J" in text


def test_scores_of_samples_stand_beside_those_of_held_out_text(model: Path) -> None:
    lines = said(model).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "what it wrote |" in line]
    rows += [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "held-out text, as" in line
    ]
    missing = "not measured"
    assert rows == [
        ["what it wrote", "0.5", missing, missing, missing, "3", missing],
        ["held-out text, as long", "0.98", missing, missing, missing, missing, "2.25"],
    ]


def test_limits_follow_from_figures(model: Path) -> None:
    found = lines_of(said(model), "Limits and known failures")
    assert [word in line for word, line in zip(EXPECTED, found, strict=True)] == [True] * len(EXPECTED)


EXPECTED = (
    "not tuned to follow instructions",
    "more than 24 tokens back",
    "ended before its length: early stop",
    "read its corpus 7.5 times",
    "2.5 at step 40 and 2.9 at step 50. The weights that were kept are of step 40",
    "worse on books (1.9 bits per byte) than on wiki (1.2)",
    "under 5 % each: nds",
    "50% were not found in its corpus",
    "Not measured: what it has learnt by heart, how it does on tasks, whether",
)


def test_what_was_not_measured_is_said(model: Path) -> None:
    write_document(model, training={"settings": {}, "reason": "done"})
    (model / "logs" / "train.jsonl").unlink()
    (model / "curves.svg").unlink()
    text = said(model)
    assert lines_of(text, "Memorization")[0].startswith("Not measured")
    assert lines_of(text, "Evaluations")[0].startswith("Not measured")
    assert "Sources and licences are not recorded." in text
    assert "| time | not recorded |" in text
    assert "| hardware | not recorded |" in text
    assert "No validation was made." in text
    assert "curves.svg" not in text
    assert "whether it overfits is not known" in text
    assert "none is recorded for its data" in text


def test_evaluations_are_shown(model: Path) -> None:
    evaluate(
        model,
        "quiz",
        {
            "what": "5 questions | of a file",
            "command": "corpuskit eval my-model quiz.jsonl --save quiz",
            "figures": {
                "quiz": {
                    "acc": {"value": 0.4, "interval": [0.2, 0.6]},
                    "by": {"a": 1},
                    "ties": 4,
                    "rows": [1, 2],
                }
            },
            "limits": ["It answers B more often than A."],
        },
    )
    broken = evaluate(model, "old", {"what": "x"})
    broken.write_text(broken.read_text().replace("x", "y"))
    text = said(model)
    assert "### quiz\n\n5 questions \\| of a file." in text
    assert "| quiz / acc | 0.4 (0.2 to 0.6) |" in text
    assert "| quiz / ties | 4 |" in text
    assert "| quiz / rows | 2 entries, in the file |" in text
    assert text.index("quiz / ties") < text.index("| quiz / by / a | 1 |")
    assert "`corpuskit eval my-model quiz.jsonl --save quiz`" in text
    assert "`evaluations/old.json` is damaged" in text
    assert "- It answers B more often than A. (quiz)" in text
    assert "how it does on tasks" not in text


def test_memorization_is_shown(model: Path) -> None:
    evaluate(model, "memorization", MEMORIZATION)
    text = said(model)
    found = "\n".join(lines_of(text, "Memorization"))
    assert "after 50 tokens the next 50 word for word, train | 3.10% of 1,000 (2.00% to 5.00%) |" in found
    assert "validation | 0.00% of 900 (0.00% to 0.40%) |" in found
    assert "0.71 (0.6 to 0.8)" in found
    assert "copies 5: exposure, greatest possible 19.9 | 3.1; 0 recited |" in found
    limits = "\n".join(lines_of(text, "Limits and known failures"))
    assert "gave back 31 of 1,000 passages" in limits
    assert "AUC 0.71" in limits
    assert "learnt by heart," not in limits


def test_an_import_is_no_training(model: Path) -> None:
    write_document(model, imported={"architecture": "LlamaForCausalLM", "remarks": []}, chat=True)
    text = said(model)
    assert "imported, from a LlamaForCausalLM" in text
    assert "nothing is known here of its data" in text
    assert "\n## Training" not in text
    assert "corpuskit chat my-model" in text
    assert "not tuned" not in text


def test_names_of_others_are_no_markup(model: Path) -> None:
    source = {"source": "a|b](http://x) <script>", "licence": "*l*\n# x", "tokens": 1, "share": 1.0}
    write_document(model, training=TRAINING | {"data": TRAINING["data"] | {"sources": [source]}})  # type: ignore[operator]
    text = said(model)
    assert r"| a\|b\](http://x) \<script\> | \*l\* \# x | 1 | 100.0% |" in text


# ----------------------------------------------------------------------------------------------- whose


def test_ours_is_made_anew_and_that_of_others_stays(model: Path) -> None:
    first = said(model)
    assert is_ours(model / NAME)
    evaluate(model, "memorization", MEMORIZATION)
    assert said(model) != first
    (model / NAME).write_text(first.replace("for study", "for my bank"))
    for own in (first.replace("for study", "for my bank"), "# Mine\n", ""):
        (model / NAME).write_text(own)
        assert write_card(model) is None
        assert (model / NAME).read_text() == own
    (model / NAME).unlink()
    os.symlink("nowhere.md", model / NAME)
    assert write_card(model) is None


def test_the_same_facts_make_the_same_bytes(model: Path) -> None:
    said(model)
    before = (model / NAME).read_bytes()
    said(model)
    assert (model / NAME).read_bytes() == before
    assert hashlib.sha256(before.rpartition(b"\n<!--")[0]).hexdigest().encode() in before


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"model\.json does not describe a model"):
        write_card(tmp_path)


# ---------------------------------------------------------------------------------------------- export


def metadata(path: Path) -> dict[str, Any]:
    _, head, _ = path.read_text().split("---\n", 2)
    return dict(yaml.safe_load(head))


def test_an_export_has_the_header_that_the_hub_reads(model: Path) -> None:
    from huggingface_hub import ModelCard

    write_document(model, training=TRAINING | {"base": {"name": "b", "hub": "owner/base"}})
    result = export_model(model, model.parent / "hf", check=False)
    assert metadata(result.out / NAME) == {
        "language": ["en", "de", "nds"],
        "license": "unknown",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["corpuskit"],
        "datasets": ["owner/texts"],
        "base_model": "owner/base",
    }
    read = ModelCard.load(result.out / NAME)
    assert read.data.base_model == "owner/base"
    assert read.text.lstrip().startswith("# my-model")
    assert "AutoModelForCausalLM.from_pretrained" in read.text
    assert (result.out / "curves.svg").read_text() == "<svg/>"
    torch = export_model(model, model.parent / "torch", "torch", check=False)
    assert "library_name" not in metadata(torch.out / NAME)
    assert "from transformer import load" in (torch.out / NAME).read_text()


def test_a_users_own_card_goes_along(model: Path) -> None:
    (model / NAME).write_text("# Mine\n")
    result = export_model(model, model.parent / "hf", check=False)
    assert (result.out / NAME).read_text().endswith("---\n\n# Mine\n")
    assert metadata(result.out / NAME)["library_name"] == "transformers"
    (model / NAME).write_text("---\nlicense: mit\n---\n# Mine\n")
    result = export_model(model, model.parent / "again", check=False)
    assert (result.out / NAME).read_text() == "---\nlicense: mit\n---\n# Mine\n"


# ------------------------------------------------------------------------------------ what is gathered


def test_sources_and_licences_come_from_the_shards(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    assert data_facts(copy)["sources"] is None
    assert data_facts(copy)["languages"] is None
    whole, books = 0, 0
    for info in Shards(copy / "shards").splits["train"]:
        third = info.tokens // 3
        rows = [(0, third, "books", "PD"), (third, 2 * third, "wiki", "CC BY-SA 4.0")]
        rows.append((2 * third, info.tokens, "wiki", None))  # type: ignore[arg-type]
        table = [
            {"token_start": a, "token_end": b, "source": source, "licence": licence}
            for a, b, source, licence in rows
        ]
        path = copy / "shards" / f"{info.name}.provenance.parquet"
        pq.write_table(pa.Table.from_pylist(table, PROVENANCE), path)
        whole, books = whole + info.tokens, books + third
    (copy / "documents").mkdir()
    for number, languages in enumerate((["en", "en", "de"], ["", "en"])):
        pq.write_table(pa.table({"language": languages}), copy / "documents" / f"part-{number}.parquet")
    recipe = {
        "sources": [{"datasets": {"path": "owner/texts"}}, {"datasets": {"path": "/a/folder"}}, {"files": {}}]
    }
    (copy / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    found = data_facts(copy)
    by_licence = {(row["source"], row["licence"]): row for row in found["sources"]}
    assert set(by_licence) == {("books", "PD"), ("wiki", "CC BY-SA 4.0"), ("wiki", "")}
    assert by_licence["books", "PD"] == {
        "source": "books",
        "licence": "PD",
        "tokens": books,
        "share": books / whole,
    }
    assert sum(row["tokens"] for row in found["sources"]) == whole == found["tokens"]["train"]
    assert found["languages"] == {"en": 3, "": 1, "de": 1}
    assert found["datasets"] == ["owner/texts"]
    assert data_facts(copy / "shards")["sources"] == found["sources"]
    assert str(tmp_path) not in json.dumps(found)
    path.write_bytes(b"damaged")
    with pytest.raises(ShardError, match="cannot read the provenance"):
        data_facts(copy)


def test_of_provenance_what_is_summed_is_read_and_nothing_else(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ids, most of a table, are not looked at: bytes of theirs that are damaged do not matter."""
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    by_hand: dict[tuple[str, str], int] = {}
    for info in Shards(copy / "shards").splits["train"]:
        ends = [*range(7, info.tokens, 7), info.tokens]
        table = [
            {"token_start": a, "token_end": b, "id": f"files:{a}", "source": "ab"[a % 2]}
            | {"licence": "PD" if a % 3 else None}
            for a, b in itertools.pairwise([0, *ends])
        ]
        path = copy / "shards" / f"{info.name}.provenance.parquet"
        pq.write_table(pa.Table.from_pylist(table, PROVENANCE), path)
        column = pq.ParquetFile(path).metadata.row_group(0).column(PROVENANCE.get_field_index("id"))
        data, begin = bytearray(path.read_bytes()), column.dictionary_page_offset
        data[begin : begin + column.total_compressed_size] = b"\xff" * column.total_compressed_size
        path.write_bytes(data)
        with pytest.raises((OSError, pa.ArrowException)):
            pq.read_table(path)
        for row in table:
            key = (str(row["source"]), str(row["licence"] or ""))
            by_hand[key] = by_hand.get(key, 0) + int(row["token_end"]) - int(row["token_start"])  # type: ignore[arg-type]
    for rows in (5, 2**16):
        monkeypatch.setattr("corpuskit.train.hub.card_facts._ROWS", rows)
        found = {(row["source"], row["licence"]): row["tokens"] for row in data_facts(copy)["sources"]}
        assert found == by_hand
        assert len(found) == 4


def test_an_environment_names_versions_and_nobody() -> None:
    import torch

    found = environment("cpu")
    assert found["torch"] == torch.__version__
    assert found["device"] == "cpu"
    assert found["cores"] == os.cpu_count()
    assert json.loads(json.dumps(found)) == found
    assert os.uname().nodename not in found.values()


def test_the_hubs_name_is_found_in_its_cache_or_config(tmp_path: Path, model: Path) -> None:
    snapshot = tmp_path / "hub" / "models--owner--small-1" / "snapshots" / "abc"
    assert hub_name(snapshot, {}) == "owner/small-1"
    assert hub_name(tmp_path, {"_name_or_path": "owner/other"}) == "owner/other"
    assert hub_name(tmp_path, {"_name_or_path": "/home/me/x"}) is None
    assert hub_name(tmp_path, {"_name_or_path": "./x"}) is None
    assert hub_name(tmp_path, {}) is None
    write_document(
        model, imported={"architecture": "x", "hub": "owner/small-1"}, files={"model.safetensors": "12"}
    )
    assert base_facts(model) == {"name": "my-model", "weights_sha256": "12", "hub": "owner/small-1"}
    assert read_sealed(model / "model.json")["imported"]["hub"] == "owner/small-1"


def test_a_model_that_was_trained_has_its_figures(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    train_model(run, tmp_path / "m", small)
    text = said(tmp_path / "m")
    loss = read_sealed(tmp_path / "m" / "model.json")["training"]["validation_loss"]
    assert f"loss {loss:.4g} nats per token" in text
    assert "| steps | 20 |" in text
    assert text.count("\n## ") == 9
