"""Objectives and kinds of models: which pairs are trained, on what, and why the others are refused."""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from click.testing import CliRunner

from corpuskit.cli.model.sample import command as sample_command
from corpuskit.cli.model.train import command as train_command
from corpuskit.errors import SettingError
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import json_bytes, read_sealed, seal
from corpuskit.train import LanguageModel, TrainSettings, train_model
from corpuskit.train.data.held_out import validation_of
from corpuskit.train.data.objectives import Causal, Continuation, Masked
from corpuskit.train.distil import distil_model
from corpuskit.train.finetune import finetune_model
from corpuskit.train.generate.fill import fill_masks, fill_spans, fill_text
from corpuskit.train.generate.sampling import Completion, Prompt, Sampling
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.settings.distil import DistilSettings
from corpuskit.train.settings.resolve import check_pair, kind_of, resolve, shaped_as, usual_objective
from corpuskit.train.settings.seq2seq import Seq2seqSettings
from corpuskit.train.settings.settings import KindName, ObjectiveName

END, MASK = 0, 2
ROWS = np.arange(10, 26).reshape(2, 8)
REFUSED = [
    ("causal", "encoder", "each of its positions sees the token", "decoder or encoder-decoder"),
    ("masked", "decoder", "it sees no later token", "encoder or encoder-decoder"),
    ("spans", "decoder", "it has no source", "kind encoder-decoder"),
    ("spans", "encoder", "it writes nothing", "kind encoder-decoder"),
    ("denoise", "decoder", "it has no source", "kind encoder-decoder"),
    ("denoise", "encoder", "it writes nothing", "kind encoder-decoder"),
]
TRAINED = {
    ("causal", "decoder"),
    ("causal", "encoder-decoder"),
    ("masked", "encoder"),
    ("masked", "encoder-decoder"),
    ("spans", "encoder-decoder"),
    ("denoise", "encoder-decoder"),
}


def with_values(settings: TrainSettings, **values: Any) -> TrainSettings:
    return TrainSettings.checked({**settings.given(), **values})


@pytest.fixture(scope="module")
def models(
    special_run: Path, by_heart: TrainSettings, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A small model of each kind, two encoder-decoders by other objectives; tests must not change them."""
    asked: dict[str, dict[str, Any]] = {
        "decoder": {"positions": "learned", "steps": 4},
        "encoder": {"objective": "masked", "steps": 4},
        "encoder-decoder": {"objective": "spans", "steps": 4},
        "continues": {"kind": "encoder-decoder", "steps": 4},
        "masked": {"objective": "masked", "kind": "encoder-decoder", "steps": 150, "patience": 0},
        "denoise": {"objective": "denoise", "steps": 200, "patience": 0},
    }
    folder = tmp_path_factory.mktemp("kinds")
    for name, values in asked.items():
        train_model(special_run, folder / name, with_values(by_heart, eval_every=50, **values))
    return {name: folder / name for name in asked}


# ----------------------------------------------------------------------------------------------- pairs
def test_without_a_kind_the_objective_decides() -> None:
    for objective, kind in (("causal", "decoder"), ("masked", "encoder"), ("spans", "encoder-decoder")):
        settings = TrainSettings(objective=objective)
        assert kind_of(settings) == kind
        resolved = resolve(settings, 10**5, "cpu", False)
        assert (resolved.kind, resolved.qk_norm) == (kind, kind != "encoder")
        assert usual_objective(kind) == objective  # type: ignore[arg-type]


@pytest.mark.parametrize(("objective", "kind", "why", "able"), REFUSED)
def test_a_pair_without_a_meaning_is_refused_with_the_reason(
    objective: Any, kind: Any, why: str, able: str, special_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingError) as caught:
        train_model(special_run, tmp_path / "m", TrainSettings(objective=objective, kind=kind, size="nano"))
    message = str(caught.value)
    assert f"objective = {objective!r}: kind = {kind!r}, and {why}" in message
    assert able in message
    assert not (tmp_path / "m").exists()


def test_all_other_pairs_are_trained() -> None:
    pairs = {(o, k) for o in get_args(ObjectiveName) for k in get_args(KindName)}
    assert pairs - {(objective, kind) for objective, kind, _, _ in REFUSED} == TRAINED
    for objective, kind in TRAINED:
        check_pair(objective, kind)  # type: ignore[arg-type]


def test_the_command_refuses_a_pair_before_it_reads_data(special_run: Path, tmp_path: Path) -> None:
    asked = [str(special_run), "--out", str(tmp_path / "m"), "--set", "objective=masked", "--set"]
    result = CliRunner().invoke(train_command, [*asked, "kind=decoder"])
    assert result.exit_code == 2
    assert "it sees no later token" in result.stderr
    assert not (tmp_path / "m").exists()


def test_a_model_is_not_trained_on_for_what_its_kind_does_not_learn(
    models: dict[str, Path], special_run: Path, tmp_path: Path
) -> None:
    """Before the shards are read: a damaged one is not what is told."""
    for name, objective, why in (
        ("decoder", "masked", "is a decoder, and it sees no later token"),
        ("encoder", "causal", "is an encoder, and each of its positions sees"),
        ("encoder", "spans", "is an encoder, and it writes nothing"),
        ("decoder", "denoise", "is a decoder, and it has no source"),
    ):
        wrong = TrainSettings(init_from=str(models[name]), objective=objective)
        with pytest.raises(SettingError, match=f"{re.escape(str(models[name]))} {why}"):
            train_model(special_run, tmp_path / "m", wrong)
        assert not (tmp_path / "m").exists()


def test_a_model_is_trained_on_for_what_it_was_trained_for(
    models: dict[str, Path], special_run: Path, tmp_path: Path
) -> None:
    """Or for another objective that its kind learns by."""
    for name, asked, expected in (
        ("masked", {}, "masked"),
        ("encoder-decoder", {}, "spans"),
        ("encoder-decoder", {"objective": "masked"}, "masked"),
        ("encoder-decoder", {"objective": "denoise"}, "denoise"),
        ("denoise", {}, "denoise"),
        ("masked", {"objective": "causal"}, "causal"),
    ):
        settings = TrainSettings(init_from=str(models[name]), steps=1, batch_rows=4, eval_tokens=64, **asked)
        train_model(special_run, tmp_path / name / expected, settings)
        document = json.loads((tmp_path / name / expected / "model.json").read_text())
        found = document["training"]["settings"]
        assert (found["objective"], found["kind"]) == (expected, "encoder-decoder")
        assert LanguageModel.load(tmp_path / name / expected).objective == expected


@pytest.mark.parametrize("name", ["masked", "continues", "denoise"])
def test_a_student_learns_what_its_teacher_was_trained_for(
    models: dict[str, Path], special_run: Path, tmp_path: Path, name: str
) -> None:
    settings = DistilSettings(steps=2, batch_rows=4, eval_tokens=64, precision="fp32")
    assert distil_model(models[name], special_run, tmp_path / "m", settings).reason == "done"
    student, teacher = (LanguageModel.load(folder) for folder in (tmp_path / "m", models[name]))
    assert student.objective == teacher.objective
    assert student.model.settings.kind == "encoder-decoder"
    with pytest.raises(SettingError, match=r"of kind 'decoder' here: .* is of kind 'encoder-decoder'"):
        distil_model(
            models[name],
            special_run,
            tmp_path / "n",
            DistilSettings(kind="decoder", objective="causal", size="nano"),
        )


@pytest.mark.parametrize("name", ["masked", "continues"])
def test_what_is_tuned_was_trained_for_what_its_base_was(
    models: dict[str, Path], tmp_path: Path, name: str
) -> None:
    """Through any number of tunings, and also from a folder that says it in the settings of its run alone."""
    data = tmp_path / "data.jsonl"
    data.write_text('{"source": "a", "target": "b"}\n{"source": "c", "target": "d"}\n')
    expected = LanguageModel.load(models[name]).objective
    old = tmp_path / "old"
    shutil.copytree(models[name], old)
    document = read_sealed(old / "model.json")
    assert document.pop("objective") == expected
    (old / "model.json").write_bytes(json_bytes(seal(document)))
    assert LanguageModel.load(old).objective == expected
    settings = Seq2seqSettings(steps=1, batch_rows=2, eval_tokens=64)
    finetune_model(old, str(data), tmp_path / "once", "seq2seq", settings)
    finetune_model(tmp_path / "once", str(data), tmp_path / "twice", "seq2seq", settings)
    for folder in ("once", "twice"):
        assert LanguageModel.load(tmp_path / folder).objective == expected


def test_a_model_from_before_there_were_kinds_is_what_its_objective_trained(models: dict[str, Path]) -> None:
    shape = LanguageModel.load(models["encoder"]).model.settings
    assert shaped_as(TrainSettings(init_from="m"), shape, 10**5).objective == "masked"
    assert LanguageModel.load(models["encoder"]).objective == "masked"


# ---------------------------------------------------------------------------------------------- batches
def test_a_continuation_is_written_behind_what_an_encoder_reads() -> None:
    objective = Continuation(4, END)
    assert (objective.row_tokens, objective.stride) == (8, 4)
    batch = objective.arrays(ROWS, [1, 2])
    assert batch["source"].tolist() == ROWS[:, :4].tolist()
    assert batch["targets"].tolist() == ROWS[:, 4:].tolist()
    assert batch["ids"].tolist() == [[END, 14, 15, 16], [END, 22, 23, 24]]
    # Of a short split a row is what there is.
    odd = objective.arrays(ROWS[:, :5], [1, 2])
    assert (odd["source"].shape, odd["targets"].shape) == ((2, 2), (2, 3))


def test_a_continuation_leaves_out_what_causal_leaves_out() -> None:
    rows = np.random.default_rng(1).integers(5, 400, (4, 64))
    causal = Causal(63, END, goldfish=3).arrays(rows, range(4))["targets"]
    targets = Continuation(32, END, goldfish=3).arrays(rows, range(4))["targets"]
    assert (targets == IGNORED).any()
    assert np.array_equal(targets, causal[:, 31:])


def test_masked_tokens_are_written_with_all_before_them_known() -> None:
    """The encoder's task, with its masks in the source: same places, same targets."""
    rows = np.random.default_rng(2).integers(5, 400, (4, 32))
    reads = Masked(32, END, MASK, (END, 1, MASK), 400).arrays(rows, range(4))
    writes = Masked(32, END, MASK, (END, 1, MASK), 400, writes=True).arrays(rows, range(4))
    assert np.array_equal(writes["source"], reads["ids"])
    for name in ("targets", "positions"):
        assert np.array_equal(writes[name], reads[name])
    assert (writes["ids"][:, 0] == END).all()
    assert np.array_equal(writes["ids"][:, 1:], rows[:, :-1])
    # What a decoder reads at the place of a target is the token before it.
    assert np.array_equal(
        np.take_along_axis(rows, writes["positions"], 1),
        np.where(
            writes["targets"] == IGNORED, np.take_along_axis(rows, writes["positions"], 1), reads["targets"]
        ),
    )


def test_held_out_rows_of_a_continuation_are_all_measured(special_run: Path) -> None:
    measured = validation_of(Shards(special_run / "shards"), Continuation(16, END, goldfish=4), 10**6)
    assert (measured.batch["targets"] != IGNORED).all()
    assert measured.batch["source"].shape == measured.batch["targets"].shape


# -------------------------------------------------------------------------------------- what they are for
def test_an_encoder_decoder_fills_the_masks_that_it_learnt_from(models: dict[str, Path]) -> None:
    model = LanguageModel.load(models["masked"])
    filled = fill_masks(model, "Nobody watched the blue<mask>. A sailor found three<mask>.", top=2)
    assert len(filled.candidates) == 2
    assert all(len(each) == 2 for each in filled.candidates)
    assert all(0 < each[1].probability <= each[0].probability for each in filled.candidates)
    assert filled.text == f"Nobody watched the blue{filled.spans[0]}. A sailor found three{filled.spans[1]}."
    with pytest.raises(SettingError, match="call fill_masks"):
        fill_spans(model, "a <mask>")


def test_what_did_not_learn_from_gaps_fills_none(models: dict[str, Path]) -> None:
    for fill in (fill_masks, fill_spans):
        with pytest.raises(SettingError, match="learnt to continue texts"):
            fill(LanguageModel.load(models["continues"]), "a <mask>")  # type: ignore[operator]
    with pytest.raises(SettingError, match="call fill_spans"):
        fill_masks(LanguageModel.load(models["encoder-decoder"]), "a <mask>")
    denoises = LanguageModel.load(models["denoise"])
    for fill in (fill_masks, fill_spans):
        with pytest.raises(
            SettingError, match=r"learnt by objective = 'denoise', not an (?s:.*)call fill_text"
        ):
            fill(denoises, "a <mask>")  # type: ignore[operator]
    with pytest.raises(SettingError, match="is an encoder, not one that learnt by objective = 'denoise'"):
        fill_text(LanguageModel.load(models["encoder"]), "a <mask>")


@pytest.mark.parametrize("name", ["masked", "encoder-decoder", "encoder", "denoise"])
def test_the_command_fills_as_the_model_learnt_it(models: dict[str, Path], name: str) -> None:
    asked = [str(models[name]), "--fill", "The miller sold a <mask>.", "--json", "--tokens", "12"]
    result = CliRunner().invoke(sample_command, asked)
    assert result.exit_code == 0, result.stderr
    [filled] = json.loads(result.stdout)["filled"]
    assert (len(filled["candidates"]) == 1) == (name in ("masked", "encoder"))
    assert filled["ended"] == ("was cut by the limit of tokens" not in " ".join(result.stderr.split()))
    assert filled["ended"] or name not in ("masked", "encoder")


def test_the_command_leaves_a_text_that_is_written_whole_its_room(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, Sampling | None]] = []
    real = LanguageModel.write

    def write(
        self: LanguageModel, prompts: Sequence[Prompt], limit: int, sampling: Sampling | None, rows: int
    ) -> list[Completion]:
        asked.append((limit, sampling))
        return real(self, prompts, limit, sampling, rows)

    monkeypatch.setattr(LanguageModel, "write", write)
    call = [str(models["denoise"]), "--fill", "The miller sold a <mask>."]
    for more in ([], ["--temperature", "0.8"], ["--tokens", "12", "--top-k", "3"]):
        assert CliRunner().invoke(sample_command, [*call, *more]).exit_code == 0
    context = LanguageModel.load(models["denoise"]).model.settings.context
    assert asked == [(context, Sampling(temperature=0)), (context, Sampling()), (12, Sampling(top_k=3))]
    refused = CliRunner().invoke(sample_command, [*call, "--tokens", "8"])
    assert (refused.exit_code, "tokens = 8: this model writes the text whole" in refused.stderr) == (2, True)


def test_an_encoder_decoder_goes_on_behind_its_source(models: dict[str, Path]) -> None:
    model = LanguageModel.load(models["continues"])
    [written] = model.generate("The miller sold", 8, Sampling(temperature=0))
    assert len(written.ids) <= 8
    samples = [
        json.loads(line)
        for line in (models["continues"] / "logs" / "train.jsonl").read_text().splitlines()
        if '"sample"' in line
    ]
    assert samples
    assert all(set(each["scores"]) >= {"known_words", "distinct_1"} for each in samples)


def test_learned_positions_end_where_the_text_goes_on(
    models: dict[str, Path], special_run: Path, tmp_path: Path
) -> None:
    """A text may be longer than the table: its last part is read again from the table's beginning."""
    model = LanguageModel.load(models["decoder"])
    context = model.model.settings.context
    [written] = model.generate("The miller", 2 * context, Sampling(temperature=0), stop=())
    assert written.ended or len(written.ids) == 2 * context
    # A run that begins with it may have a part of the table, and no more than there is.
    shorter = TrainSettings(init_from=str(models["decoder"]), context=8, steps=1, batch_rows=4)
    train_model(special_run, tmp_path / "short", shorter)
    found = LanguageModel.load(tmp_path / "short").model
    assert found.decoder.positions.weight.shape == (8, 64)
    longer = TrainSettings(init_from=str(models["decoder"]), context=context + 1, steps=1)
    with pytest.raises(SettingError, match=f"context = {context + 1}, it has learnt {context} positions"):
        train_model(special_run, tmp_path / "long", longer)
