"""What models of known probabilities have learnt by heart: windows, extraction, exposure, membership."""

from __future__ import annotations

import json
import math
import string
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from corpuskit import Tokenizer, build_corpus, load_recipe
from corpuskit.cli.model.memorize import command
from corpuskit.errors import SettingError, TrainError
from corpuskit.shards.canaries import Canary
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import json_bytes, seal, sha256_file
from corpuskit.train.data.objectives import goldfish_mask
from corpuskit.train.generate.generate import LanguageModel, model_document
from corpuskit.train.hub.export import save_tensors
from corpuskit.train.memorize.exposure import exposure_of, recites
from corpuskit.train.memorize.membership import loss_by_zlib, membership_auc, share_interval
from corpuskit.train.memorize.memorize import Asked, load_weights, memorize
from corpuskit.train.memorize.scoring import score_windows
from corpuskit.train.memorize.windows import draw_windows
from corpuskit.train.model.transformer import ModelSettings, Transformer

LETTERS = string.ascii_lowercase + string.ascii_uppercase[:10]
SMALL = Asked(prefix=16, following=16, samples=3, tokens=40)


@pytest.fixture(scope="session")
def bytes_tokenizer() -> Tokenizer:
    """One token for each byte."""
    return Tokenizer.train("x", vocab_size=384)


def model_of(tokenizer: Tokenizer, follows: Mapping[str, str], kind: str = "decoder") -> LanguageModel:
    """A model in which the given letters follow for sure; every other token is as likely as any other."""
    size = tokenizer.vocab_size
    shape = {"layers": 1, "width": 384, "heads": 4, "kv_heads": 4, "hidden": 8, "context": 64}
    settings = ModelSettings(
        size,
        **shape,
        norm="rms",
        tie_embeddings=False,
        qk_norm=False,
        kind=kind,  # type: ignore[arg-type]
    )
    network = Transformer(settings)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if weights.ndim == 2:
                weights.zero_()
            if name == "embedding.weight":
                weights[: min(weights.shape)].fill_diagonal_(math.sqrt(384))
        for before, after in follows.items():
            [one], [other] = tokenizer.encode(before), tokenizer.encode(after)
            network.head.weight[other, one] = 40 / math.sqrt(384)
    return LanguageModel(network.eval(), tokenizer, tokenizer.end_of_text)


@pytest.fixture(scope="session")
def knows(bytes_tokenizer: Tokenizer) -> LanguageModel:
    """Knows the order of the letters, in a ring."""
    return model_of(bytes_tokenizer, dict(zip(LETTERS, LETTERS[1:] + LETTERS[0], strict=True)))


@pytest.fixture(scope="session")
def knows_nothing(bytes_tokenizer: Tokenizer) -> LanguageModel:
    return model_of(bytes_tokenizer, {})


@pytest.fixture(scope="session")
def ring_run(
    tmp_path_factory: pytest.TempPathFactory, bytes_tokenizer: Tokenizer, jsonl: Callable[..., None]
) -> Path:
    """120 documents of 36 tokens: half go round the letters forwards, half backwards, whole on one side."""
    folder = tmp_path_factory.mktemp("ring")
    bytes_tokenizer.save(folder / "tokenizer.json")
    rows = []
    for number in range(60):
        turn = LETTERS[number % 36 :] + LETTERS[: number % 36]
        rows += [{"id": f"known{number}", "text": turn}, {"id": f"other{number}", "text": turn[::-1]}]
    rows.append({"id": "short", "text": "abc"})
    jsonl(folder / "rows" / "rows.jsonl", rows)
    (folder / "recipe.yaml").write_text(
        "sources: [files: {path: rows, label: notes, licence: CC0}]\n"
        f"tokenizer: {{file: {folder}/tokenizer.json}}\nshards: {{split: {{validation: 0.34}}}}\n"
        "canaries: {count: 1, copies: [0, 2], format: 'code {digits:3}'}\n"
    )
    build_corpus(load_recipe(folder / "recipe.yaml"), folder / "run")
    return folder / "run"


def save(model: LanguageModel, folder: Path) -> Path:
    """A model folder as an import leaves it."""
    folder.mkdir(parents=True)
    model.tokenizer.save(folder / "tokenizer.json")
    save_tensors(folder / "model.safetensors", model.model.state_dict())
    document = model_document(model.model.settings, model.end_of_text, model.tokenizer.sha256)
    document["files"] = {name: sha256_file(folder / name) for name in ("model.safetensors", "tokenizer.json")}
    (folder / "model.json").write_bytes(json_bytes(seal(document)))
    return folder


# ------------------------------------------------------------------------------------------- extraction
def test_what_is_known_is_extracted_at_every_offset_and_nothing_else(
    knows: LanguageModel, ring_run: Path
) -> None:
    report = memorize(knows, ring_run, SMALL)
    shards = Shards(ring_run / "shards")
    for name in ("train", "validation"):
        split = shards.split(name)
        texts = [knows.tokenizer.decode(split.sequence(n)[:-1]) for n in range(split.sequences)]
        known = sum(len(t) == 36 and "ab" in t + t[0] for t in texts)
        whole = sum(len(t) == 36 for t in texts)
        found = report["splits"][name]
        assert (found["windows"], found["extracted"]) == (5 * whole, 5 * known)
        assert found["shorter_than_a_window"] == len(texts) - whole
        assert found["low"] < found["rate"] < found["high"]
    for each in report["extracted"]:
        assert each["id"].startswith("files:notes:known")
        assert (each["source"], each["licence"]) == ("notes", "CC0")


def test_figures_are_the_same_for_every_seed_and_batch_where_all_windows_fit(
    knows: LanguageModel, ring_run: Path
) -> None:
    reports = [
        memorize(knows, ring_run, Asked(**{**vars(SMALL), "samples": 0, "seed": seed, "batch_rows": batch}))
        for seed, batch in ((0, 32), (5, 7))
    ]
    for name in ("splits", "by_copies", "extracted", "membership", "canaries"):
        assert reports[0][name] == reports[1][name]


def test_a_sample_follows_from_the_seed_and_has_no_window_twice(ring_run: Path) -> None:
    split = Shards(ring_run / "shards").split("train")
    one, same, other = (draw_windows(split, 32, 50, seed) for seed in (1, 1, 2))
    assert one.places.tolist() == same.places.tolist() != other.places.tolist()
    assert len(set(one.places.tolist())) == 50 < one.all
    for ids, place in zip(one.ids, one.places, strict=True):
        assert split.read(int(place), 32).tolist() == ids.tolist()
    chosen = draw_windows(split, 32, 1000, only=np.array([3]))
    assert chosen.sequences == 1


def test_one_wrong_token_is_not_extracted(knows: LanguageModel) -> None:
    encode = knows.tokenizer.encode
    rows = np.array([encode("abcdefgh"), encode("abcdefgx"), encode("abcdxfgh")])
    assert score_windows(knows, rows).recited(4).tolist() == [4, 3, 0]


def test_windows_cost_what_one_plain_pass_gives(bytes_tokenizer: Tokenizer) -> None:
    model = model_of(bytes_tokenizer, {"a": "b", "b": "c"})
    rows = np.array([bytes_tokenizer.encode(text) for text in ("abcz", "zzab", "bcab")])
    scored = score_windows(model, rows, batch_rows=2)
    with torch.inference_mode():
        logs = model.model(torch.from_numpy(rows[:, :-1]))[..., :384].double().log_softmax(-1)
    expected = -logs.gather(2, torch.from_numpy(rows)[:, 1:, None])[..., 0].numpy()
    assert scored.losses == pytest.approx(expected, abs=1e-4)
    assert scored.greedy[0].tolist() == [True, True, False]


def test_what_is_found_by_reading_is_what_is_written(knows: LanguageModel) -> None:
    """Greedy writing from the prefix and one reading of the true tokens tell the same."""
    from corpuskit.train.generate.sampling import Sampling

    [said] = knows.generate("defg", 6, Sampling(temperature=0))
    rows = np.array([knows.tokenizer.encode(said.text)])
    assert score_windows(knows, rows).recited(4).tolist() == [6]


def test_copies_are_counted_in_the_training_split(knows: LanguageModel, ring_run: Path) -> None:
    # 60 documents of 36 turns: some turns stand twice.
    report = memorize(knows, ring_run, SMALL)
    counted = {row["copies"]["least"]: row["windows"] for row in report["by_copies"]}
    assert sum(counted.values()) == report["splits"]["train"]["windows"]
    # Windows of other turns of the ring are equal, too: five offsets of each.
    assert set(counted) <= {1, 2, 10}
    assert counted[2] > 0


# ----------------------------------------------------------------------------------------- canaries
def test_of_equal_candidates_the_rank_is_the_mean(knows_nothing: LanguageModel) -> None:
    found = exposure_of(knows_nothing, Canary("canary:1", "code {digits:3}", 417, 1))
    assert found.rank == 500.5
    assert found.exposure == pytest.approx(0.9986, abs=1e-4)
    assert found.highest == pytest.approx(9.9658, abs=1e-4)
    assert found.log_likelihood == pytest.approx(-8 * math.log(384), abs=1e-4)
    assert not recites(knows_nothing, Canary("canary:1", "code {digits:3}", 417, 1))


def test_a_canary_that_is_known_has_the_highest_exposure(bytes_tokenizer: Tokenizer) -> None:
    model = model_of(bytes_tokenizer, {" ": "4", "4": "1", "1": "7", "e": " "})
    found = exposure_of(model, Canary("canary:1", "code {digits:3}", 417, 1))
    assert (found.rank, found.method) == (1, "rank")
    assert found.exposure == found.highest == found.at_least
    assert recites(model, Canary("canary:1", "code {digits:3}", 417, 1))
    assert exposure_of(model, Canary("canary:2", "code {digits:3}", 999, 1)).exposure < 5


def test_of_a_large_space_a_sample_is_ranked_and_the_bound_is_told(bytes_tokenizer: Tokenizer) -> None:
    model = model_of(bytes_tokenizer, {" ": "4", "4": "1", "1": "7", "7": "2"})
    canary = Canary("canary:1", "code {digits:9}", 417241724, 1)
    found = exposure_of(model, canary, most=500)
    assert (found.method, found.compared, found.candidates) == ("skew-normal", 501, 10**9)
    assert math.log2(500 / 4) < found.at_least < found.exposure <= found.highest
    plain = exposure_of(model, Canary("canary:2", "code {digits:9}", 999999999, 1), most=500)
    assert plain.method == "sampled rank"
    assert plain.exposure < 5


def test_a_canary_that_does_not_fit_the_context_is_refused(knows_nothing: LanguageModel) -> None:
    long = Canary("canary:1", "x" * 60 + " {digits:4}", 4170, 1)
    with pytest.raises(SettingError, match="has 65 tokens: the model reads 64"):
        exposure_of(knows_nothing, long)


# ----------------------------------------------------------------------------------------- membership
def test_membership_counts_a_lower_loss_and_halves_ties() -> None:
    assert membership_auc([1.0, 2.0, 2.0, 3.0], [2.0, 3.0, 4.0]) == pytest.approx(0.791667, abs=1e-6)
    assert membership_auc([1.0, 1.0], [2.0, 3.0]) == 1
    assert membership_auc([1.0 + 1e-9], [1.0]) == 0.5  # what rounding moves is a tie
    with pytest.raises(ValueError, match="0 members"):
        membership_auc([], [1.0])


def test_a_model_that_knows_nothing_tells_no_member(knows_nothing: LanguageModel, ring_run: Path) -> None:
    report = memorize(knows_nothing, ring_run, SMALL)
    assert report["membership"]["loss"] == {"auc": 0.5, "low": 0.5, "high": 0.5, "tells": False}
    assert not report["membership"]["loss_by_zlib"]["tells"]
    assert report["splits"]["train"]["extracted"] == 0
    assert report["canaries_by_copies"][1]["exposure"] == pytest.approx(0.9986, abs=1e-4)


def test_common_words_weigh_less_when_they_are_packed() -> None:
    by_zlib = loss_by_zlib(np.array([10.0, 10.0]), ["a" * 400, "".join(map(chr, range(33, 127)))])
    assert by_zlib[0] > by_zlib[1]


def test_windows_of_one_text_are_worth_no_more_than_it_is() -> None:
    hits = np.array([True] * 50 + [False] * 50)
    apart = share_interval(hits, np.arange(100))
    together = share_interval(hits, np.repeat(np.arange(10), 10))
    assert apart[1] - apart[0] < (together[1] - together[0]) / 2
    assert share_interval(np.zeros(100, bool), np.zeros(100, int))[1] > 0.7
    assert share_interval(np.zeros(0, bool), np.zeros(0, int)) == (0, 1)


# ------------------------------------------------------------------------------------------- goldfish
def test_goldfish_leaves_out_the_same_tokens_of_every_copy(bytes_tokenizer: Tokenizer) -> None:
    passage = "when the mill was sold the miller's daughter kept the wheel and hung it over her door"
    rows = [bytes_tokenizer.encode(before + passage) for before in ("some ", "z" * 42, "")]
    masks = [goldfish_mask(np.array([row]), 4)[0, -len(passage) + 13 :] for row in rows]
    assert masks[0].tolist() == masks[1].tolist() == masks[2].tolist()
    assert 0.08 < masks[0].mean() < 0.45


# -------------------------------------------------------------------------------------- bad input, command
def test_an_encoder_is_refused(bytes_tokenizer: Tokenizer, ring_run: Path) -> None:
    with pytest.raises(SettingError, match="is an encoder, and what is measured here needs a decoder"):
        memorize(model_of(bytes_tokenizer, {}, kind="encoder"), ring_run, SMALL)


def test_another_tokenizer_is_refused(ring_run: Path) -> None:
    other = model_of(Tokenizer.train("other text", vocab_size=384, pattern="gpt2"), {})
    with pytest.raises(TrainError, match="has another tokenizer than the model"):
        memorize(other, ring_run, SMALL)


def test_a_run_without_held_out_text_is_refused(knows: LanguageModel, ring_run: Path, tmp_path: Path) -> None:
    recipe = load_recipe(ring_run.parent / "recipe.yaml", ["shards.split.validation=0"])
    build_corpus(recipe, tmp_path / "run")
    with pytest.raises(SettingError, match="no text is held out"):
        memorize(knows, tmp_path / "run", SMALL)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"prefix": 30, "following": 30},
            r"all \d+ documents of the training split are shorter than 30 \+ 30",
        ),
        ({"prefix": 0}, "prefix = 0 is below 1"),
        ({"candidates": 1}, "candidates = 1 is below 2"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    knows: LanguageModel, ring_run: Path, asked: dict[str, int], words: str
) -> None:
    with pytest.raises(SettingError, match=words):
        memorize(knows, ring_run, Asked(**{**vars(SMALL), **asked}))


def test_windows_longer_than_the_context_are_refused(knows: LanguageModel) -> None:
    with pytest.raises(SettingError, match="windows of 70 tokens: the model reads 64"):
        score_windows(knows, np.ones((2, 70), np.int64))


def call(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, list(map(str, words)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_command_tells_keeps_and_compares(
    knows: LanguageModel, knows_nothing: LanguageModel, ring_run: Path, tmp_path: Path
) -> None:
    folders = [save(knows, tmp_path / "knows"), save(knows_nothing, tmp_path / "nothing")]
    options = ("--prefix", 16, "--next", 16, "--samples", 2, "--tokens", 40)
    for folder in folders:
        code, stdout, _ = call(folder, ring_run, *options, "--save", "--quiet")
        assert code == 0
        assert "given 16 tokens of a document, the next 16 are recited word for word" in stdout
    assert "documents shorter than 32 tokens, left out: " in stdout
    code, stdout, _ = call(folders[0], ring_run, *options, "--json")
    facts = json.loads(stdout)
    kept = json.loads((folders[0] / "evaluations" / "memorization.json").read_text())
    assert kept["figures"]["splits"] == facts["splits"]
    assert kept["what"] == "memorization"
    code, stdout, _ = call("--compare", *folders)
    assert code == 0
    head, first, second = (line.split() for line in stdout.splitlines()[:3])
    assert (first[0], second[0]) == tuple(map(str, folders))
    assert second[-2:] == ["1.0", "1.0"]
    assert head[-2:] == ["canary", "x2"]


@pytest.mark.parametrize(
    ("words", "told"), [(("one",), "1 folder instead of two"), (("--compare", "one"), "keeps no report")]
)
def test_a_wrong_call_is_told(words: tuple[str, ...], told: str) -> None:
    code, stdout, stderr = call(*words)
    assert code in (1, 2)
    assert told in stderr
    assert not stdout


def test_weights_of_a_checkpoint_are_read(run: Path, small: Any, tmp_path: Path) -> None:
    from corpuskit.train import train_model

    settings = small.model_copy(update={"save_every": 10, "keep": 3})
    train_model(run, tmp_path / "model", settings)
    last, early = (load_weights(tmp_path / "model", which, "cpu") for which in ("last", "10"))
    assert (last.document["measured_step"], early.document["measured_step"]) == (20, 10)
    assert not torch.equal(last.model.embedding.weight, early.model.embedding.weight)
    report = memorize(early, run, Asked(prefix=6, following=6, samples=1, tokens=8))
    whole = memorize(last, run, Asked(prefix=6, following=6, samples=1, tokens=8))
    assert report["training"]["epochs"] == pytest.approx(whole["training"]["epochs"] / 2)
    assert report["by_copies"][0]["copies"]["readings"] == pytest.approx(report["training"]["epochs"])
    with pytest.raises(SettingError, match="no checkpoint '7'") as caught:
        load_weights(tmp_path / "model", "7", "cpu")
    assert "10, 20" in caught.value.remedy
