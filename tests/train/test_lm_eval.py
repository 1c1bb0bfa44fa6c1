"""lm-eval runs a task from local files through our models, and finds what `corpuskit eval` finds.

Needs `pip install corpuskit[lm-eval]`, which the tests of the rest do not.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpuskit.errors import SettingError
from corpuskit.train import LanguageModel
from corpuskit.train.evaluate.evaluate import of_answers
from corpuskit.train.evaluate.questions.answers import answer
from corpuskit.train.evaluate.questions.items import questions_of
from corpuskit.train.evaluate.windows import text_losses
from tests.tiny_models import load

lm_eval = pytest.importorskip("lm_eval", reason="the extra lm-eval is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = [
    {"question": f"Which comes {n}th?", "choices": ["one", "a longer one", "naïve"], "answer": n % 3}
    for n in range(12)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(tmp_path_factory.mktemp("random"), "random", layers=2, context=48, seed=5)


def harness(folder: Path, model: LanguageModel, **task: Any) -> dict[str, Any]:
    """What lm-eval finds by a task that is written into a folder."""
    from lm_eval.tasks import TaskManager

    from corpuskit.train.evaluate.lm_eval import harness_model

    rows = folder / "rows.jsonl"
    common = {
        "task": "local",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}},
        "test_split": "test",
    }
    (folder / "tasks").mkdir()
    (folder / "tasks" / "local.yaml").write_text(yaml.safe_dump({**common, **task}))
    found = lm_eval.simple_evaluate(
        harness_model(model),
        tasks=["local"],
        task_manager=TaskManager(include_path=str(folder / "tasks"), include_defaults=False),
        bootstrap_iters=0,
    )
    assert found is not None
    return dict(found["results"]["local"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def test_a_local_multiple_choice_is_the_same_here_and_there(folder: Path, model: LanguageModel) -> None:
    metrics = [{"metric": name, "aggregation": "mean"} for name in ("acc", "acc_norm", "acc_bytes")]
    theirs = harness(
        folder,
        model,
        output_type="multiple_choice",
        doc_to_text="{{question}}\nAnswer:",
        doc_to_choice="{{choices}}",
        doc_to_target="{{answer}}",
        metric_list=metrics,
    )
    task = {
        "data": "rows.jsonl",
        "prompt": "{question}\nAnswer:",
        "choices": "choices",
        "gold": "answer",
        "separator": " ",
    }
    (folder / "task.yaml").write_text(yaml.safe_dump(task))
    questions = questions_of(folder / "task.yaml")
    ours = of_answers(questions, answer(model, questions)).figures
    for name in ("acc", "acc_norm", "acc_bytes"):
        assert ours[name]["value"] == pytest.approx(theirs[f"{name},none"])


def test_a_local_perplexity_is_that_of_our_windows(folder: Path, model: LanguageModel) -> None:
    theirs = harness(
        folder,
        model,
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="{{question}} It is asked in more words than the context of the model has tokens.",
        metric_list=[{"metric": "bits_per_byte"}],
    )
    texts = [
        f"{row['question']} It is asked in more words than the context of the model has tokens."
        for row in ROWS
    ]
    losses = text_losses(model, texts, 48)
    bits = sum(loss.nats for loss in losses) / sum(len(text) for text in texts) / 0.6931471805599453
    assert theirs["bits_per_byte,none"] == pytest.approx(bits, rel=1e-6)


def test_what_is_written_ends_where_the_task_says(folder: Path) -> None:
    table = {"": {"a": 1}, ":": {"4": 1}, "4": {"2": 1}, "2": {"\n": 1}, "\n": {"4": 1}}
    (folder / "rows.jsonl").write_text('{"q": "x:", "a": "42"}\n{"q": "y:", "a": "43"}\n')
    theirs = harness(
        folder,
        load(folder / "m", "bigram", table=table),
        output_type="generate_until",
        doc_to_text="{{q}}",
        doc_to_target="{{a}}",
        generation_kwargs={"until": ["\n"], "max_gen_toks": 8},
        metric_list=[{"metric": "exact_match"}],
    )
    assert theirs["exact_match,none"] == 0.5


def test_an_unknown_way_to_write_is_named(model: LanguageModel) -> None:
    from lm_eval.api.instance import Instance

    from corpuskit.train.evaluate.lm_eval import harness_model

    request = Instance("generate_until", {}, ("a", {"beams": 4}), 0)
    with pytest.raises(SettingError, match="beams is unknown here"):
        harness_model(model).generate_until([request])
