"""Distillation: a student learns from a teacher and a run, goes on bit for bit; what cannot be is refused."""

import dataclasses
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from corpuskit.cli.main import cli
from corpuskit.errors import CorpuskitError, SettingError, ShardError, TrainError
from corpuskit.shards.format import NO_PROVENANCE, manifest
from corpuskit.shards.reader import Shards
from corpuskit.shards.writer import ShardWriter
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import LanguageModel, TrainSettings, train_model
from corpuskit.train.data.teacher import StoreSettings, TeacherStore
from corpuskit.train.distil import Distilling, distil_model, store_teacher
from corpuskit.train.model.transformer import Transformer
from corpuskit.train.parallel.processes import processes
from corpuskit.train.settings.distil import DistilSettings
from corpuskit.train.tasks.distil import Distilled
from tests.tiny_models import make_model
from tests.train import ranks
from tests.train.conftest import MakeRun

OBJECTIVES = ("causal", "masked", "spans", "denoise")
TEACHER: dict[str, Any] = {
    "layers": 2, "width": 32, "heads": 2, "context": 16, "batch_rows": 4, "learning_rate": 3e-3,
    "precision": "fp32", "eval_every": 30, "compile": "off", "device": "cpu", "dropout": 0.3,
}  # fmt: skip
STUDENT: dict[str, Any] = {
    **TEACHER,
    "layers": 1,
    "steps": 10,
    "eval_every": 10,
    "dropout": 0.1,
    "begin": "drawn",
}


def student(**values: Any) -> DistilSettings:
    return DistilSettings(**{**STUDENT, **values})


@pytest.fixture(scope="module")
def run(make_run: MakeRun) -> Path:
    """A run of few tokens, whose tokenizer has only the end of a text."""
    return make_run(documents=12)


@pytest.fixture(scope="module")
def teachers(
    run: Path, special_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Path]]:
    """A teacher with dropout and its run by objective, trained when first asked for."""
    folder, found = tmp_path_factory.mktemp("teachers"), dict[str, tuple[Path, Path]]()

    def get(objective: str) -> tuple[Path, Path]:
        if objective not in found:
            own = run if objective == "causal" else special_run
            settings = TrainSettings.checked({**TEACHER, "steps": 60, "objective": objective})
            train_model(own, folder / objective, settings)
            found[objective] = folder / objective, own
        return found[objective]

    return get


@pytest.fixture(scope="module")
def teacher(teachers: Callable[[str], tuple[Path, Path]]) -> Path:
    """A causal teacher; tests must not change it."""
    return teachers("causal")[0]


@pytest.fixture(scope="module")
def stored(teacher: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the teacher says of the run."""
    out = tmp_path_factory.mktemp("stored") / "answers"
    whole = StoreSettings(k=Shards(run / "shards").vocab_size, context=16)
    assert store_teacher(teacher, run, out, whole)
    return out


def task_of(teacher: Path, run: Path, settings: DistilSettings) -> Distilled:
    job = Distilling(teacher, run)
    job.refuse(Path("nowhere"), settings)
    with processes(1, "cpu") as grid:
        task = job.settle(settings, grid).task
    assert isinstance(task, Distilled)
    return task


def undropped(teacher: Path) -> Transformer:
    """A student with all weights of the teacher, in training, that drops nothing."""
    theirs = LanguageModel.load(teacher, "cpu").model
    own = Transformer(dataclasses.replace(theirs.settings, dropout=0.0))
    own.load_state_dict(theirs.state_dict())
    return own.train()


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# ------------------------------------------------------------------------------------------- it learns
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_student_comes_to_say_what_its_teacher_says(
    teachers: Callable[[str], tuple[Path, Path]], tmp_path: Path, objective: str
) -> None:
    teacher, run = teachers(objective)
    before = content(teacher)
    # Nothing but the teacher is learnt from, and the least distance there is lies at the teacher itself.
    settings = DistilSettings(**{**STUDENT, "share": 1.0, "dropout": 0, "steps": 40, "objective": objective})
    result = distil_model(teacher, run, tmp_path / "out", settings)
    model = LanguageModel.load(tmp_path / "out", "cpu").model.train()
    task = task_of(teacher, run, settings)
    batch = task.batch(0, range(4))
    first = LanguageModel.load(tmp_path / "out", "cpu").model.train()
    with torch.no_grad():
        for each in first.parameters():
            if each.dim() > 1:
                each.zero_()
        apart, at_first = (float(task.loss(each, batch)) for each in (model, first))
    assert apart < 0.8 * at_first
    assert result.validation_loss is not None
    assert result.validation_loss < math.log(Shards(run / "shards").vocab_size)
    document = json.loads((tmp_path / "out" / "model.json").read_text())
    assert document["distilled"]["teacher"] == teacher.name
    assert document["distilled"]["stored"] is False
    assert content(teacher) == before


def test_teacher_drops_nothing_and_gets_no_gradient(teacher: Path, run: Path) -> None:
    """Its answers to a row are the same at each visit, while the student drops."""
    task = task_of(teacher, run, student(share=1.0, layers=2, dropout=0.0))
    assert task.teacher is not None
    assert task.teacher.settings.dropout == 0.3
    task.teacher.train()
    own = undropped(teacher)
    batch = task.batch(0, range(4))
    losses = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        loss = task.loss(own, batch)
        losses.append(loss.item())
    assert losses[0] == losses[1] == pytest.approx(0, abs=1e-3)
    loss.backward()  # type: ignore[no-untyped-call]
    assert not task.teacher.training
    assert all(each.grad is None and not each.requires_grad for each in task.teacher.parameters())


def test_all_of_a_teacher_that_is_stored_teaches_what_it_does_online(
    teacher: Path, run: Path, tmp_path: Path
) -> None:
    """In rows that are the windows it read; in those of a run, which begin elsewhere, nearly."""
    whole = StoreSettings(k=Shards(run / "shards").vocab_size, context=16, stride=16)
    assert store_teacher(teacher, run, tmp_path / "answers", whole)
    settings = student(share=0.7)
    online, offline = (task_of(each, run, settings) for each in (teacher, tmp_path / "answers"))
    assert offline.stored is not None
    own = undropped(teacher)
    with torch.no_grad():
        for each in own.decoder.blocks.parameters():
            each.mul_(1.3)
        starts = [0, 16, 64]
        ids = torch.from_numpy(np.stack([online.split.read(at, 17).astype(np.int64) for at in starts]))
        batch = {"ids": ids[:, :-1], "targets": ids[:, 1:]}
        top = dict(zip(("top_values", "top_ids", "top_rest"), offline.stored.rows(starts, 16), strict=True))
        found = float(online.loss(own, batch)), float(offline.loss(own, batch | top))
        assert found[1] == pytest.approx(found[0], rel=1e-3)
        nearly = [float(task.loss(own, task.batch(1, range(4)))) for task in (online, offline)]
        assert nearly[1] == pytest.approx(nearly[0], rel=0.05)


# --------------------------------------------------------------------------------------------- it goes on
@pytest.mark.parametrize("kind", ["online", "states", "stored"])
def test_ten_steps_equal_five_and_five(
    teacher: Path, stored: Path, run: Path, tmp_path: Path, kind: str
) -> None:
    who = stored if kind == "stored" else teacher
    settings = student(states="mse") if kind == "states" else student(share=0.6, direction="jsd")
    distil_model(who, run, tmp_path / "whole", settings)
    distil_model(who, run, tmp_path / "halves", settings, pause_at=5)
    distil_model(who, run, tmp_path / "halves", resume=True)
    for file in ("model.safetensors", "checkpoints/step-00000010/optimizer.safetensors"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "halves" / file).read_bytes()


def test_a_run_does_not_go_on_with_another_teacher(
    teacher: Path, stored: Path, run: Path, tmp_path: Path
) -> None:
    distil_model(teacher, run, tmp_path / "out", student(), pause_at=2)
    other = tmp_path / "other"
    train_model(run, other, TrainSettings.checked({**TEACHER, "steps": 1, "seed": 5}))
    with pytest.raises(TrainError, match=r"changed|other"):
        distil_model(other, run, tmp_path / "out", resume=True)


@pytest.mark.parametrize("kind", ["online", "stored"])
def test_processes_together_learn_what_one_does(teacher: Path, stored: Path, run: Path, kind: str) -> None:
    """Each has its rows of a batch, with what the teacher says of them."""
    task, own = task_of(stored if kind == "stored" else teacher, run, student()), undropped(teacher)
    with torch.no_grad():
        whole = float(task.loss(own, task.batch(2, range(4))))
        parts = [float(task.loss(own, task.batch(2, rows))) for rows in (range(3), range(3, 4))]
    assert sum(parts) == pytest.approx(whole, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["parallel=ddp", "parallel=fsdp", "tensor_parallel=2"])
def test_two_processes_train_the_student_of_one(teacher: Path, run: Path, tmp_path: Path, mode: str) -> None:
    settings = ["--steps", "4", "--layers", "1", "--set", "optimizer=adamw", "--set", "precision=fp32"]
    settings += ["--set", "device=cpu", "--set", "compile=off", "--set", "batch_rows=4"]
    arguments = ["-m", "corpuskit", "distill", str(teacher), str(run), *settings]
    ranks.start(1, [*arguments, "--out", str(tmp_path / "one")])
    ranks.start(2, [*arguments, "--out", str(tmp_path / "two"), "--set", mode])
    one, two = (losses_of(tmp_path / name) for name in ("one", "two"))
    assert len(one) == 4
    assert two == pytest.approx(one, rel=1e-5)


def losses_of(out: Path) -> list[float]:
    events = [json.loads(line) for line in (out / "logs" / "train.jsonl").read_text().splitlines()]
    return [event["loss"] for event in events if event["event"] == "step"]


# ------------------------------------------------------------------------------------- how it begins
def test_a_student_begins_with_its_teachers_layers(teacher: Path, run: Path) -> None:
    """And has its shape but for their number, half of which it gets unless told."""
    job = Distilling(teacher, run)
    theirs = load_file(teacher / "model.safetensors")
    chosen: list[tuple[dict[str, Any], int]] = [({}, 2), ({"layers": 1}, 2), ({"layers": 2}, 1)]
    for given, layer in chosen:
        with processes(1, "cpu") as grid:
            setup = job.settle(DistilSettings(device="cpu", compile="off", steps=1, **given), grid)
        assert setup.weights is not None
        assert setup.task.shape.width == 32
        assert setup.task.shape.layers == given.get("layers", 1)
        for name, each in setup.weights.items():
            if ".blocks.0." in name:
                assert torch.equal(each, theirs[name.replace(".blocks.0.", f".blocks.{layer - 1}.")])
            elif ".blocks." not in name:
                assert torch.equal(each, theirs[name])
        assert "the student's layers begin as the teacher's" in setup.notes[0]


@pytest.mark.parametrize("given", [{"begin": "drawn"}, {"width": 16}, {"size": "nano"}])
def test_a_student_of_another_shape_begins_with_drawn_weights(
    teacher: Path, run: Path, given: dict[str, Any]
) -> None:
    with processes(1, "cpu") as grid:
        setup = Distilling(teacher, run).settle(
            DistilSettings(device="cpu", compile="off", steps=1, context=16, **given), grid
        )
    assert setup.weights is None
    assert setup.task.shape.width == {"nano": 128}.get(given.get("size", ""), given.get("width", 32))


@pytest.mark.parametrize("states", ["mse", "cosine"])
def test_hidden_states_come_near_the_teachers(teacher: Path, run: Path, tmp_path: Path, states: str) -> None:
    """What they are apart is added to the loss, once for each position that counts."""
    plain, mixed = (
        task_of(teacher, run, student(states=each, states_share=0.5, dropout=0.0))
        for each in ("none", states)
    )
    model = undropped(teacher)
    batch = plain.batch(0, range(4))
    with torch.no_grad():
        for each in model.decoder.blocks.parameters():
            each.mul_(1.5)
        assert float(mixed.loss(model, batch)) > 1.01 * float(plain.loss(model, batch))
    result = distil_model(teacher, run, tmp_path / "out", student(states=states))
    assert result.validation_loss is not None


# ------------------------------------------------------------------------------------------ what is refused
def refused(
    teacher: Path, run: Path, out: Path, error: type[CorpuskitError], said: str, **values: Any
) -> None:
    with pytest.raises(error, match=said):
        distil_model(teacher, run, out, student(**values))
    assert not (out / "model.json").exists()


def test_what_a_teacher_cannot_teach_is_refused(
    teachers: Callable[[str], tuple[Path, Path]],
    teacher: Path,
    stored: Path,
    run: Path,
    special_run: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    encoder = teachers("masked")[0]
    refused(encoder, special_run, out, SettingError, "encoder, and each of its", objective="causal")
    spans = teachers("spans")[0]
    refused(spans, special_run, out, SettingError, "spans learnt by objective = 'spans'", objective="denoise")
    refused(teacher, run, out, SettingError, "context = 32: .* reads 16", context=32)
    refused(teacher, run, out, SettingError, "width 16", width=16, states="mse")
    refused(stored, run, out, SettingError, "temperature = 2.0 was not stored", temperature=2.0)
    refused(stored, run, out, SettingError, "not hidden states", states="cosine")
    refused(stored, run, out, SettingError, "answers are stored of causal", objective="masked")
    refused(stored, special_run, out, TrainError, "another tokenizer")
    with pytest.raises(TrainError, match="is --out itself"):
        distil_model(teacher, run, teacher, student(), overwrite=True)
    with pytest.raises(SettingError, match="is an encoder"):
        store_teacher(encoder, special_run, out)
    assert not out.exists()


def test_answers_to_other_shards_or_damaged_ones_are_refused(
    stored: Path, make_run: MakeRun, run: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(run, changed)
    manifest = changed / "shards" / "shards.json"
    document = json.loads(manifest.read_text())
    document["splits"]["train"].reverse()
    manifest.write_text(json.dumps(document))
    refused(stored, changed, tmp_path / "out", TrainError, "was stored for shards with the fingerprint")
    damaged = tmp_path / "damaged"
    shutil.copytree(stored, damaged)
    file = damaged / "train-00001.top"
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    refused(damaged, run, tmp_path / "out", ShardError, "train-00001.top is damaged")


@pytest.fixture(scope="module")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A teacher of one token more than the run that was built with another tokenizer."""
    folder = tmp_path_factory.mktemp("unlike")
    teacher = make_model(folder / "T", merges=[("a", "b")])
    own = make_model(folder / "S")
    tokenizer, shards = Tokenizer.load(own / "tokenizer.json"), folder / "run" / "shards"
    tokenizer.save(folder / "run" / "tokenizer" / "tokenizer.json")
    shards.mkdir()
    with ShardWriter(shards, "train-00000", "uint16") as writer:
        text = "A text that says little, but says it in a few words or so. " * 10
        writer.append(np.array([*tokenizer.encode(text), tokenizer.end_of_text]))
        entries = {"train": [{**vars(writer.close()), "provenance_sha256": NO_PROVENANCE}]}
    document = manifest(tokenizer.vocab_size, tokenizer.end_of_text, tokenizer.sha256, entries)
    (shards / "shards.json").write_text(json.dumps(document))
    return teacher, folder / "run"


@pytest.mark.parametrize("store", [[], ["--store"]])
def test_a_teacher_of_another_vocabulary_is_refused_before_any_work(
    unlike: tuple[Path, Path], tmp_path: Path, store: list[str]
) -> None:
    teacher, run = unlike
    out = tmp_path / "out"
    result = CliRunner().invoke(cli, ["distill", str(teacher), str(run), "--out", str(out), *store])
    assert result.exit_code in (1, 2)
    said = " ".join(result.output.split())
    assert f"{teacher} and the run have other tokenizers" in said
    assert "262 tokens against 261" in said
    assert "'ab'" in said
    assert "id 256" in said
    assert "Build the run with the teacher's" in said
    assert not out.exists()


def test_an_imported_model_teaches(unlike: tuple[Path, Path], tmp_path: Path) -> None:
    _, run = unlike
    teacher = make_model(tmp_path / "T", kind="random", layers=2)
    result = distil_model(
        teacher, run, tmp_path / "out", DistilSettings(steps=3, batch_rows=2, context=16, device="cpu")
    )
    assert result.validation_loss is None  # The run has no validation split.
    document = json.loads((tmp_path / "out" / "model.json").read_text())
    assert document["model"]["layers"] == 1


# ------------------------------------------------------------------------------------------ the command
def call(*arguments: Any) -> str:
    result = CliRunner().invoke(cli, ["distill", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_stored_twice_by_the_command_the_bytes_are_the_same(teacher: Path, run: Path, tmp_path: Path) -> None:
    """Whatever the seed of the process, and though the teacher was trained with dropout."""
    for name in ("a", "b"):
        torch.manual_seed(len(name) + ord(name))
        call(teacher, run, "--store", "--top", 4, "--temperature", 2, "--out", tmp_path / name)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    store = TeacherStore(tmp_path / "a")
    assert store.settings.k == 4
    assert store.settings.temperatures == (1.0, 2.0)
    before = content(tmp_path / "a")
    call(teacher, run, "--store", "--top", 4, "--temperature", 2, "--out", tmp_path / "a")
    assert content(tmp_path / "a") == before
    call(
        *(tmp_path / "a", run, "--out", tmp_path / "student", "--layers", 1, "--steps", 2),
        *("--temperature", 2, "--set", "width=16", "--set", "heads=2", "--set", "device=cpu"),
    )
    document = json.loads((tmp_path / "student" / "model.json").read_text())
    assert document["distilled"]["stored"] is True


def test_storing_goes_on_where_it_was_stopped(teacher: Path, run: Path, tmp_path: Path) -> None:
    settings = StoreSettings(k=4, context=16, rows=2)
    asked = iter([False, False, True])
    assert not store_teacher(teacher, run, tmp_path / "halves", settings, stop=lambda: next(asked))
    assert not (tmp_path / "halves" / "teacher.json").exists()
    with pytest.raises(ShardError, match="holds no teacher"):
        TeacherStore(tmp_path / "halves")
    told: list[tuple[int, int]] = []
    assert store_teacher(teacher, run, tmp_path / "halves", settings, tell=lambda *done: told.append(done))
    assert store_teacher(teacher, run, tmp_path / "whole", settings)
    assert content(tmp_path / "halves") == content(tmp_path / "whole")
    tokens = Shards(run / "shards").split("train").tokens
    assert told[-1] == (tokens, tokens)
    assert told[0][0] > 2 * 2 * 8  # What was finished is not done again.


def test_plan_settings_and_configuration(teacher: Path, run: Path) -> None:
    said = call(teacher, run, "--plan", "--steps", 5, "--set", "device=cpu")
    assert "1 layer of 32 (causal, distilled)" in said
    assert "the student's layers begin as the teacher's 2" in said
    shown = call(teacher, run, "--print-config", "--share", 0.25, "--set", "device=cpu", "--steps", 5)
    assert "share: 0.25" in shown
    listed = call("--settings")
    for name in ("direction = forward", "temperature = 1.0", "begin = layers", "states_share = 0.1"):
        assert name in listed
    result = CliRunner().invoke(cli, ["distill", str(teacher), str(run)])
    assert result.exit_code == 2
    assert "there is no --out" in result.output
    result = CliRunner().invoke(
        cli, ["distill", str(teacher), str(run), "--store", "--steps", "3", "--out", "x"]
    )
    assert result.exit_code == 2
    assert "steps: settings of a student" in " ".join(result.output.split())


def test_a_student_of_stored_answers_is_trained_by_time(stored: Path, run: Path, tmp_path: Path) -> None:
    """Without a shape the size is chosen by how long a step takes, which counts what a teacher costs."""
    settings = DistilSettings(minutes=0.02, context=16, batch_rows=4, share=0.4, device="cpu", compile="off")
    distil_model(stored, run, tmp_path / "out", settings)
    document = json.loads((tmp_path / "out" / "model.json").read_text())
    assert document["distilled"]["stored"] is True
    assert document["training"]["settings"]["share"] == 0.4
