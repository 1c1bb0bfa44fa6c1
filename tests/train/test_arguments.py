"""Whatever the public functions of the trainer are given, what they say of it is their own."""

import contextlib
import inspect
import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import corpuskit
from corpuskit.errors import CorpuskitError, SettingError
from corpuskit.shards.reader import Shards
from corpuskit.train import (
    LanguageModel,
    Sampling,
    TrainSettings,
    export_model,
    import_model,
    train_model,
    verify_resume,
)
from corpuskit.train.device import choose_device
from corpuskit.train.generate.chat import Chat
from corpuskit.train.generate.fill import fill_masks, fill_spans, fill_text
from corpuskit.train.plan.plan import plan_training, resolved
from corpuskit.train.settings.recipes import load_training_recipe

ODD = [
    object(),
    2.5,
    "a",
    "",
    -1,
    0,
    2**70,
    math.nan,
    math.inf,
    True,
    b"x",
    [],
    [""],
    [1],
    {},
    {"a": 1},
    None,
]


@pytest.fixture(scope="module")
def model(run: Path, small: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("arguments") / "model"
    train_model(run, out, small.model_copy(update={"steps": 1}))
    return out


def calls(run: Path, model: Path, out: Path) -> Iterator[tuple[Callable[..., Any], dict[str, Any]]]:
    """Public pieces with arguments that are right."""
    loaded = LanguageModel.load(model)
    few = TrainSettings(layers=1, width=16, heads=2, context=8, batch_rows=2, steps=1)
    yield train_model, {"run": run, "out": out / "m", "settings": few, "overwrite": True}
    yield verify_resume, {"run": run, "out": out / "v", "settings": few}
    yield plan_training, {"run": run, "settings": few}
    yield resolved, {"run": run, "settings": few}
    yield corpuskit.load_model, {"folder": model}
    yield LanguageModel.load, {"folder": model}
    yield loaded.generate, {"max_tokens": 2}
    yield lambda **given: list(loaded.stream(**given)), {"max_tokens": 2}
    yield loaded.prompt, {"text": "a"}
    yield lambda **given: list(Chat(loaded, **{"max_tokens": 2, **given}).reply("a")), {}
    yield lambda text: list(Chat(loaded, max_tokens=2).reply(text)), {"text": "a"}
    yield fill_masks, {"model": loaded, "text": "a <mask>"}
    yield fill_spans, {"model": loaded, "text": "a <mask>"}
    yield fill_text, {"model": loaded, "text": "a <mask>"}
    yield export_model, {"folder": model, "out": out / "e", "check": False}
    yield import_model, {"folder": model, "out": out / "i"}
    yield load_training_recipe, {"recipe": "tiny"}
    yield choose_device, {"wanted": "cpu"}
    yield (
        lambda **given: list(itertools.islice(Shards(run / "shards").batches(**given), 1)),
        {"rows": 2, "context": 8},
    )
    yield Sampling, {}


def _first_batch(opened: type[Shards], run: Path, given: dict[str, Any]) -> list[Any]:
    return list(itertools.islice(opened(run / "shards").batches(**given), 1))


def names(function: Callable[..., Any]) -> list[str]:
    found = inspect.signature(function).parameters
    if "given" not in found:
        return list(found)
    return {
        "loaded": ["prompt", "max_tokens", "sampling", "seed", "number", "stop"],
        "Chat": ["sampling", "seed", "max_tokens", "system", "plain"],
        "Shards": ["rows", "context", "seed", "epoch", "rank", "world", "split", "step"],
    }[next(name for name in ("loaded", "Chat", "Shards") if name in _mentioned(function))]


def _mentioned(function: Callable[..., Any]) -> set[str]:
    code = function.__code__
    return {*code.co_names} & {"Chat", "Shards"} or {"loaded"}


@pytest.mark.slow
def test_odd_arguments_are_refused_or_taken(
    run: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece with each odd value in each place: it works, or it says in its own words why not."""
    monkeypatch.chdir(tmp_path)
    tried = 0
    for function, right in calls(run, model, tmp_path):
        for name in names(function):
            for value in ODD[:-1] if name == "settings" else ODD:  # Without settings a run takes long.
                tried += 1
                try:
                    function(**{**right, name: value})
                except Exception as error:
                    own = isinstance(error, CorpuskitError) and error.remedy
                    if not own:
                        pytest.fail(f"{function} with {name} = {value!r}: {type(error).__name__}: {error}")
    assert tried > 800


@pytest.mark.parametrize("name", TrainSettings.model_fields)
def test_odd_settings_are_refused_by_name_or_taken(name: str) -> None:
    for value in ODD:
        with contextlib.suppress(_Own):
            _settings(name, value)


class _Own(Exception):
    """An error that names the setting and has a remedy."""


def _settings(name: str, value: object) -> None:
    try:
        TrainSettings(**{name: value})
    except SettingError as error:
        raise _Own if error.message.startswith(name) and error.remedy else error from error


def test_settings_can_be_completed() -> None:
    assert inspect.signature(TrainSettings).parameters.keys() == TrainSettings.model_fields.keys()


def test_an_unknown_setting_is_named_with_the_nearest_known() -> None:
    with pytest.raises(SettingError, match=r"(?s)lr is not a training setting.*"):
        TrainSettings(lr=0.1)  # type: ignore[call-arg]
    with pytest.raises(SettingError, match="Did you mean 'dropout'"):
        TrainSettings(dropuot=0.1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model: model.generate(max_tokens=2.5), "generate: max_tokens = 2.5 is not a whole number"),
        (lambda model: model.generate(3), "generate: prompt = 3 is not text or a list whose items are text"),
        (lambda model: model.generate("a", 2, stop="ab"), "stop = 'ab' is not a list"),
        (lambda model: model.generate("a", 2, stop=[1]), r"stop = \[1\] is not a list whose items are text"),
        (lambda model: model.generate([]), "prompt = \\[\\]"),
        (lambda model: Sampling(temperature=-1), "temperature = -1 is not in"),
        (lambda model: Sampling(temperature=math.nan), "temperature = nan is not in"),
        (lambda model: Sampling(top_p=math.nan), "top_p = nan is not in"),
        (lambda model: Sampling(top_k=2.0), "Sampling: top_k = 2.0 is not a whole number"),
        (lambda model: Sampling(temperature="hot"), "temperature = 'hot' is not a number"),
    ],
)
def test_what_is_wrong_is_named(call: Callable[[LanguageModel], Any], words: str, model: Path) -> None:
    with pytest.raises(SettingError, match=words):
        call(LanguageModel.load(model))


def test_numbers_of_numpy_are_numbers(model: Path) -> None:
    loaded = LanguageModel.load(model)
    found = loaded.generate("a", np.int64(3), Sampling(temperature=np.float32(0.5)), seed=np.int32(1))
    assert len(found[0].ids) <= 3


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("gpu", "device = 'gpu' is none"),
        ("CPU", "device = 'CPU' is none"),
        ("cuda:99", "torch finds no such GPU"),
        ("cuda:x", "is none"),
    ],
)
def test_a_device_that_is_not_there_is_refused(wanted: str, words: str, model: Path) -> None:
    with pytest.raises(SettingError, match=words) as caught:
        corpuskit.load_model(model, device=wanted)
    assert "cpu" in caught.value.remedy or "cuda" in caught.value.remedy


def test_an_apple_gpu_is_chosen_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert choose_device("auto") == "mps"
    assert choose_device("cpu") == "cpu"
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert choose_device("auto") == "cuda"
    assert choose_device("cuda:1") == "cuda:1"
