"""Settings: faults are named together, what is open is chosen by rules that can be read."""

from typing import Any

import pytest

from corpuskit.cli.model.train import SIZES
from corpuskit.errors import SettingError
from corpuskit.train import PRESETS, TrainSettings
from corpuskit.train.model.cost import parameter_count
from corpuskit.train.optim.optimizer import Schedule
from corpuskit.train.settings.defaults import batch_tokens_for_steps
from corpuskit.train.settings.distil import DistilSettings
from corpuskit.train.settings.resolve import choose_size, model_settings, regularise, resolve
from corpuskit.train.settings.settings import GROUPS
from corpuskit.train.settings.tune import TagSettings


def test_faults_are_named_together_with_the_nearest_name() -> None:
    with pytest.raises(SettingError) as caught:
        TrainSettings.checked({"dropuot": 0.1, "steps": 0, "learning_rate": "fast"})
    message = str(caught.value)
    assert "dropuot is not a training setting" in message
    assert "Did you mean 'dropout'?" in message
    assert "steps = 0: Input should be greater than or equal to 1" in message
    assert "learning_rate = 'fast'" in message


@pytest.mark.parametrize("name", ["learning_rate", "minutes", "clip", "weight_decay"])
def test_settings_are_finite(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} = 'inf': Input should be a finite number"):
        TrainSettings.checked({name: "inf"})


def test_there_are_few_settings_and_text_is_understood() -> None:
    assert len(TrainSettings.model_fields) <= 61
    assert TrainSettings.checked({"dropout": "0.2", "qk_norm": "false", "steps": "7"}).given() == {
        "dropout": 0.2,
        "qk_norm": False,
        "steps": 7,
    }


def test_each_setting_is_of_one_subject_and_documents_have_them_in_that_order() -> None:
    names = [name for group in GROUPS for name in group.model_fields]
    assert names == list(TrainSettings.model_fields) == list(TrainSettings().model_dump())
    assert len(set(names)) == len(names)


def test_size_follows_the_corpus() -> None:
    limits = (100_000, 100_001, 300_001, 10_000_001, 500_000_001)
    sizes = [choose_size(tokens, "cuda") for tokens in limits]
    assert sizes == ["nano", "tiny", "small", "15m", "124m"] == list(SIZES) == list(PRESETS)
    assert choose_size(10**12, "cpu") == "small"


@pytest.mark.parametrize("size", SIZES)
def test_presets_resolve_to_buildable_models(size: str) -> None:
    chosen = regularise(resolve(TrainSettings.checked({"size": size}), 10**9, "cpu", False), 1.0)
    shape = model_settings(chosen, 32_768)
    assert shape.kv_heads == shape.heads
    assert abs(3 * shape.hidden - 8 * shape.width) <= 3 * 64
    assert chosen.precision == "fp32"
    assert (chosen.micro_batch_rows or 0) * shape.context <= 16_384
    if size == "15m":
        body = parameter_count(shape) - shape.padded_vocab_size * shape.width
        assert 13e6 < body < 16e6


def test_own_values_win_over_the_preset() -> None:
    chosen = resolve(TrainSettings(size="tiny", width=64, heads=2, micro_batch_rows=8), 10**6, "cpu", True)
    assert (chosen.width, chosen.heads, chosen.layers, chosen.micro_batch_rows) == (64, 2, 4, 8)


def test_bf16_is_chosen_where_it_pays() -> None:
    def chosen(device: str, pays: bool, **values: Any) -> str:
        return resolve(TrainSettings.checked(values), 10**6, device, pays).precision

    assert [chosen("cpu", True, size=size) for size in ("nano", "tiny", "small")] == ["fp32", "fp32", "bf16"]
    assert [chosen("cuda", True, size=size) for size in ("nano", "small")] == ["bf16", "bf16"]
    assert chosen("cpu", False, size="small") == "fp32"
    assert chosen("cpu", True, size="tiny", precision="bf16") == "bf16"
    assert chosen("cpu", True, size="small", precision="fp32") == "fp32"


def test_short_corpora_get_short_rows() -> None:
    assert resolve(TrainSettings(), 81, "cpu", False).context == 10
    assert resolve(TrainSettings(), 2, "cpu", False).context == 1
    with pytest.raises(SettingError, match="context = 100 needs 101 tokens, the train split has 100"):
        resolve(TrainSettings(context=100), 100, "cpu", False)
    with pytest.raises(SettingError, match="has 1 tokens"):
        resolve(TrainSettings(), 1, "cpu", False)


def test_a_batch_of_many_corpora_is_refused() -> None:
    with pytest.raises(
        SettingError, match="a batch of 2,048,000 tokens is more than 100 times the train split"
    ):
        resolve(TrainSettings(batch_rows=32_000, context=64), 1000, "cpu", False)


def test_contradictions_are_named() -> None:
    with pytest.raises(SettingError, match="steps = 5 and minutes = 2 exclude each other"):
        resolve(TrainSettings(steps=5, minutes=2), 1000, "cpu", False)
    with pytest.raises(SettingError, match="batch_rows = 10 is no multiple of micro_batch_rows = 4"):
        resolve(TrainSettings(batch_rows=10, micro_batch_rows=4), 1000, "cpu", False)
    with pytest.raises(SettingError, match="width 30 must be a multiple"):
        model_settings(resolve(TrainSettings(width=30), 1000, "cpu", False), 100)


def test_regularisation_follows_the_epochs() -> None:
    open_settings = TrainSettings()
    once, often, very_often = (regularise(open_settings, epochs) for epochs in (1, 4, 1000))
    assert (once.dropout, once.weight_decay) == (0.0, 0.1)
    assert (often.dropout, often.weight_decay) == (0.1, 0.2)
    assert (very_often.dropout, very_often.weight_decay) == (0.2, 0.5)
    fixed = regularise(TrainSettings(dropout=0.3, weight_decay=0.0), 1000)
    assert (fixed.dropout, fixed.weight_decay) == (0.3, 0.0)


def test_schedules() -> None:
    wsd = Schedule("wsd", peak=1.0, warmup=4, decay_start=10, steps=20)
    assert [wsd.rate(step) for step in (0, 3, 4, 9, 10, 15, 19, 20)] == [0.25, 1, 1, 1, 1, 0.5, 0.1, 0]
    cosine = Schedule("cosine", peak=1.0, warmup=0, decay_start=20, steps=20)
    assert [cosine.rate(step) for step in (0, 10, 20)] == pytest.approx([1, 0.5, 0])
    cut_short = Schedule("wsd", peak=1.0, warmup=10, decay_start=4, steps=8)
    assert [cut_short.rate(step) for step in (0, 4, 6, 7, 8)] == pytest.approx([0.1, 0.5, 0.5, 0.25, 0])
    still_open = Schedule("wsd", peak=1.0, warmup=4, decay_start=2**62, steps=2**62)
    assert [still_open.rate(step) for step in (0, 3, 10**6)] == [0.25, 1, 1]


def test_batch_and_rate_follow_the_rules_where_they_are_open() -> None:
    def chosen(device: str, tokens: int = 10**9, **values: Any) -> tuple[int, float]:
        found = resolve(TrainSettings.checked({"size": "small", **values}), tokens, device, False)
        return (found.batch_rows or 0) * (found.context or 0), found.learning_rate or 0.0

    preset = PRESETS["small"]
    tuned, tokens = preset["learning_rate"], preset["batch_rows"] * preset["context"]
    assert chosen("cpu") == (tokens, tuned)
    assert chosen("cpu", batch_rows=16) == (2 * tokens, tuned)
    assert chosen("cpu", width=512) == (tokens, pytest.approx(tuned / 2))
    assert chosen("cpu", batch_rows=16, learning_rate=1e-4) == (2 * tokens, 1e-4)
    assert chosen("cuda") == (2**20, tuned)
    assert chosen("cuda", steps=20_000)[0] == batch_tokens_for_steps(20_000)
    assert chosen("cuda", minutes=5) == (tokens, tuned)
    assert chosen("cuda", batch_rows=4) == (tokens // 2, pytest.approx(tuned / 2**0.5))


@pytest.mark.parametrize("given", ["0,100", "[0, 100]", "[0,100]"])
def test_lists_are_read_with_commas_and_as_yaml(given: str) -> None:
    settings = [kind.checked({"sample_at": given}) for kind in (TrainSettings, TagSettings, DistilSettings)]
    assert {each.sample_at for each in settings} == {(0, 100)}


def test_names_and_weights_are_read_as_yaml_and_json_too() -> None:
    for given in ("q,up", "[q, up]", '["q", "up"]'):
        assert TagSettings.checked({"lora_rank": 1, "lora_targets": given}).lora_targets == ("q", "up")
    for given in ("no:2,wiki:1", "{no: 2, wiki: 1}", '{"no": 2, "wiki": 1}'):
        assert TrainSettings.checked({"mixture": given}).mixture == {"no": 2.0, "wiki": 1.0}
    with pytest.raises(SettingError, match=r"sample_at = '\[0, 100': .*no list in YAML"):
        TrainSettings.checked({"sample_at": "[0, 100"})
