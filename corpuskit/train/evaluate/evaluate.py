"""`corpuskit eval`: models, one at a time, on sets of texts and questions, side by side in one result."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from corpuskit.errors import SettingError, TrainError, checks_arguments, counted
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import json_bytes, read_sealed, seal, write_file
from corpuskit.storage.ownership import EXPORT, MODEL, RUN, kind_of_folder
from corpuskit.train.evaluate.compare import Figure, Outcome, comparisons, figures_of, summary
from corpuskit.train.evaluate.contamination import WORDS, find_shared, training_documents
from corpuskit.train.evaluate.labelled import LabelledFile, labelled_file, labelled_task, score_labelled
from corpuskit.train.evaluate.likelihood import Told, refuse_kind
from corpuskit.train.evaluate.measure import Measured, figures, items, measure
from corpuskit.train.evaluate.questions.answers import Answers, answer
from corpuskit.train.evaluate.questions.items import Questions, questions_in, questions_of
from corpuskit.train.evaluate.questions.task_file import is_task
from corpuskit.train.evaluate.replies import RepliesFile, replies_in, score_replies
from corpuskit.train.evaluate.texts import FileTexts, SplitTexts, split_of, texts_of
from corpuskit.train.evaluate.written.pairs import Asked, PairFile, pair_files, score_pairs
from corpuskit.train.generate.generate import WEIGHTS, LanguageModel
from corpuskit.train.generate.lines import SEQ2SEQ, refuse_encoder

Set = Questions | SplitTexts | FileTexts | RepliesFile | LabelledFile | PairFile
Begins = Callable[[str, int], Told]
"""Is told what begins and of how many steps it is, and gives what hears of each of them."""

FOLDER = "evaluations"
"""Of a model folder: what was measured of it, a JSON file each."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class Contender(NamedTuple):
    """A row of the table.

    Attributes:
        name: what it is called.
        folders: its model, or several that were trained alike with other seeds.
    """

    name: str
    folders: tuple[Path, ...]


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        sets: a result for each set, as JSON values: set, kind, what, models, comparisons.
        items: by model folder and set, what was found of each question or text.
        contamination: by set, what of it stands in the training documents; None where none were looked at.
    """

    sets: list[dict[str, Any]]
    contamination: dict[str, Any] | None
    items: dict[str, dict[str, list[dict[str, Any]]]]


# --------------------------------------------------------------------------------------------- what is given
def is_model(path: Path) -> bool:
    """Whether a path is that of a model folder."""
    return kind_of_folder(path) is MODEL if path.is_dir() else False


def opened(path: Path, *, split: str | None = None, field: str = "text", limit: int | None = None) -> Set:
    """What there is to measure on at a path: a run, files, a task; all of it checked.

    Args:
        split: of a run.
        field: that holds the text, of rows.
        limit: at most so many questions.

    Raises a CorpuskitError, naming the file and the place in it, for what cannot be used.
    """
    if is_task(path):
        return questions_of(path, limit)
    kind = kind_of_folder(path) if path.is_dir() else None
    if kind is EXPORT:
        raise SettingError(
            f"{path} is {EXPORT}", remedy="Name the model it was made from, or import it: corpuskit import."
        )
    if kind is RUN or (path / "shards" / "shards.json").is_file():
        return split_of(path, split)
    if path.is_file() and (found := questions_in(path, limit)) is not None:
        return found
    if path.is_file() and (talks := replies_in(path, field)) is not None:
        return talks
    return texts_of(path, field)


def opened_labels(
    paths: Sequence[Path], contenders: Sequence[Contender], asked: Asked | None = None
) -> list[Set] | None:
    """The files as labelled ones, where the models were fine-tuned for labels or for texts; else None.

    Args:
        asked: how texts are written, also by models that were not fine-tuned for it.

    Raises SettingError for models of different tasks.
    """
    folders = [folder for contender in contenders for folder in contender.folders]
    found = [labelled_task(folder) for folder in folders]
    tasks = {task for task, _ in found}
    if asked is not None or tasks == {SEQ2SEQ}:
        return list(pair_files(paths, asked or Asked(), found[0][1] if found[0][0] == SEQ2SEQ else {}))
    if tasks <= {""}:
        return None
    if len(tasks) > 1:
        named = ", ".join(
            f"{folder}: {task or 'none'}" for folder, (task, _) in zip(folders, found, strict=True)
        )
        raise SettingError(f"models of different tasks: {named}", remedy="Compare models of one task.")
    task, settings = found[0]
    return [labelled_file(path, task, settings) for path in paths]


def sets_of(
    paths: Sequence[Path],
    contenders: Sequence[Contender],
    asked: Asked | None = None,
    *,
    stride: int | None = None,
    split: str | None = None,
    field: str | None = None,
    limit: int | None = None,
) -> list[Set]:
    """What there is to measure some models on, as `opened_labels` has it and otherwise `opened`, by distinct
    names.

    Raises SettingError for settings that say nothing of it.
    """
    labelled = opened_labels(paths, contenders, asked)
    if labelled is not None:
        if (stride, split, field, limit) != (None,) * 4:
            raise SettingError(
                "split, stride, limit and field say nothing of labels", remedy="Leave them out."
            )
        return distinct(labelled)
    found = distinct([opened(path, split=split, field=field or "text", limit=limit) for path in paths])
    answers = [each.name for each in found if isinstance(each, RepliesFile)]
    if answers and (stride, limit) != (None, None):
        raise SettingError(
            f"stride and limit say nothing of the answers of {answers[0]}", remedy="Leave them out."
        )
    return found


def distinct(sets: Sequence[Set]) -> list[Set]:
    """The sets with names of their own: those that would share one are called by their paths.

    Raises SettingError for a set that is given twice.
    """
    names = [each.name for each in sets]
    found = [each if names.count(each.name) == 1 else _by_path(each) for each in sets]
    paths = [str(each.path) for each in found]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise SettingError(f"{twice} is given twice", remedy="Name what to measure on once.")
    return found


def _by_path(each: Set) -> Set:
    if isinstance(each, Questions):
        return replace(each, task=each.task.model_copy(update={"name": str(each.path)}))
    return replace(each, name=str(each.path))


def check_models(
    contenders: Sequence[Contender], sets: Iterable[Set], stride: int | None = None, *, writes: bool = False
) -> None:
    """Raise, before anything is measured, where a model is not there, not a decoder, or does not fit a set.

    Args:
        writes: texts are to be written, which an encoder-decoder does too.

    Raises TrainError for a folder that is no whole model, SettingError for the rest.
    """
    names = [contender.name for contender in contenders]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SettingError(f"{twice} is given twice", remedy="Name each model or group once.")
    sets = list(sets)
    writes = writes or any(isinstance(each, PairFile) for each in sets)
    tokenizers = {each.name: each.shards.tokenizer_sha256 for each in sets if isinstance(each, SplitTexts)}
    for folder in (folder for contender in contenders for folder in contender.folders):
        document = _document(folder)
        kind = document["model"].get("kind", "decoder")
        if writes:
            refuse_encoder(kind, str(folder))
        elif not labelled_task(folder)[0]:
            refuse_kind(kind, str(folder))
        context = int(document["model"]["context"])
        if stride is not None and not 1 <= stride <= context:
            raise SettingError(
                f"stride = {stride} does not lie between 1 and the context of {folder}, {context} tokens",
                remedy="Give one that does, or leave it out: half of the context.",
            )
        for name, sha256 in tokenizers.items():
            if document["tokenizer_sha256"] != sha256:
                raise SettingError(
                    f"{folder} has another tokenizer than {name}: sha256 "
                    f"{document['tokenizer_sha256'][:12]}, theirs {sha256[:12]}",
                    remedy="Name the texts as files: bits per byte compare over tokenizers.",
                )


def _document(folder: Path) -> dict[str, Any]:
    """model.json of a folder; raises TrainError unless it describes a model whose weights are there."""
    path = folder / "model.json"
    try:
        document = read_sealed(path)
        int(document["model"]["context"])
        str(document["tokenizer_sha256"])
    except FileNotFoundError as error:
        raise TrainError(f"{folder} holds no model.json", remedy="Name the --out of a training.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(
            f"{path} does not describe a model: {error}", remedy="Bring it back, or train again."
        ) from error
    if not (folder / WEIGHTS).is_file():
        raise TrainError(
            f"{folder / WEIGHTS} is not there", remedy="It appears with the run's first validation; train on."
        )
    return document


# --------------------------------------------------------------------------------------------- what is found
@checks_arguments
def evaluate(
    contenders: Sequence[Contender],
    sets: Sequence[Set],
    *,
    stride: int | None = None,
    device: str = "auto",
    run: Path | None = None,
    begins: Begins | None = None,
) -> Evaluation:
    """Measure each model on each set, and compare the contenders.

    Args:
        contenders: at least one; the others are tested against the first.
        sets: as `opened` gives them.
        stride: of the windows over texts; half of the context by default.
        device: "auto", "cpu", "cuda" or "mps".
        run: whose training documents the sets are looked for in.
        begins: is told of what is done.

    Raises as `check_models`, before anything is measured.
    """
    if not contenders or not sets:
        raise SettingError(
            "nothing to measure" if contenders else "no model to measure",
            remedy="Name at least one model, and a run, files or a TASK.yaml.",
        )
    check_models(contenders, sets, stride)
    outcomes: dict[Path, list[Outcome]] = {}
    for folder in dict.fromkeys(folder for each in contenders for folder in each.folders):
        model = LanguageModel.load(folder, device)
        outcomes[folder] = [_outcome(model, folder, each, stride, begins) for each in sets]
        del model
        gc.collect()  # On a GPU two models would stand beside each other.
    found = [
        _side_by_side(each, {c: [outcomes[f][number] for f in c.folders] for c in contenders})
        for number, each in enumerate(sets)
    ]
    rows = {
        str(folder): {each.name: outcome.rows for each, outcome in zip(sets, by_set, strict=True)}
        for folder, by_set in outcomes.items()
    }
    return Evaluation(found, None if run is None else _contamination(run, sets, begins), rows)


def _outcome(
    model: LanguageModel, folder: Path, each: Set, stride: int | None, begins: Begins | None
) -> Outcome:
    name = f"{folder} on {each.name}"
    if isinstance(each, Questions):
        steps = sum(len(item.answers) for item in each.items)
        told = begins(name, steps) if begins else None
        return of_answers(each, answer(model, each, told))
    told = begins(name, 0) if begins else None
    if isinstance(each, LabelledFile):
        return score_labelled(model, folder, each)
    if isinstance(each, RepliesFile):
        return score_replies(model, folder, each, told)
    if isinstance(each, PairFile):
        return score_pairs(model, folder, each)
    return _of_texts(measure(model, each, stride, told))


def of_answers(questions: Questions, answers: Answers) -> Outcome:
    """The figures of what a model answered."""
    by_name = {
        name: Figure(values, answers.sizes.get(name), name in ("loss", "bits_per_byte"))
        for name, values in answers.values.items()
    }
    told = {name: figures_of(figure) for name, figure in by_name.items()}
    kind = {"choice": ("acc", "acc_norm"), "cloze": ("greedy", "bits_per_byte"), "write": ("exact_match",)}
    compared = {name: by_name[name] for name in kind[questions.task.kind]}
    rows = [
        {"place": item.place, "gold": item.answers[item.gold], **found}
        for item, found in zip(questions.items, answers.rows, strict=True)
    ]
    return Outcome({**told, "items": len(questions.items), **answers.counts}, compared, rows)


def _of_texts(measured: Measured) -> Outcome:
    name, values, sizes = items(measured)
    columns = (measured.losses, measured.sizes, measured.sources, measured.languages)
    rows = [
        {"source": source, "language": language, "nats": loss.nats, "tokens": loss.tokens, "bytes": size}
        for loss, size, source, language in zip(*columns, strict=True)
    ]
    return Outcome(figures(measured), {name: Figure(values, sizes, True)}, rows)


def _side_by_side(each: Set, outcomes: Mapping[Contender, Sequence[Outcome]]) -> dict[str, Any]:
    return {
        "set": each.name,
        "kind": _kind(each),
        "what": each.what,
        "models": {
            contender.name: {
                "summary": summary(found),
                "members": {str(f): o.figures for f, o in zip(contender.folders, found, strict=True)},
            }
            for contender, found in outcomes.items()
        },
        "comparisons": comparisons({contender.name: found for contender, found in outcomes.items()}),
    }


def _kind(each: Set) -> str:
    if isinstance(each, Questions):
        return each.task.kind
    if isinstance(each, RepliesFile):
        return "answers"
    if isinstance(each, PairFile):
        return "pairs"
    return "labels" if isinstance(each, LabelledFile) else "texts"


# --------------------------------------------------------------------------------------------- what was seen
def _contamination(run: Path, sets: Sequence[Set], begins: Begins | None) -> dict[str, Any]:
    """What of each set stands in the training documents of a run; a run's own split is not looked for."""
    shards = Shards(run / "shards")
    places: list[str] = []
    texts: list[str] = []
    owners: list[str] = []
    for each in sets:
        if isinstance(each, SplitTexts):
            continue
        lines = _lines(each)
        places += [place for place, _ in lines]
        texts += [text for _, text in lines]
        owners += [each.name] * len(lines)
    told = begins(f"looking in the training documents of {run}", 0) if begins else None
    found = find_shared(texts, training_documents(run, shards), told)
    return {
        "run": str(run),
        "words": WORDS,
        "documents": found.documents,
        "texts": found.texts,
        "too_short": found.too_short,
        "shared": [
            {"set": owners[each.number], "place": places[each.number], **each._asdict()}
            for each in found.shared
        ],
    }


def _lines(each: Questions | FileTexts | RepliesFile | LabelledFile | PairFile) -> list[tuple[str, str]]:
    """The texts of a set with their places; of a question the prompt with its right answer."""
    if isinstance(each, Questions):
        # Examples are the same before each prompt, and no part of the question.
        return [(item.place, item.question + item.answers[item.gold]) for item in each.items]
    return list(each.lines())


# --------------------------------------------------------------------------------------------- what is kept
def check_name(name: str) -> None:
    """Raise SettingError unless an evaluation can be kept under a name."""
    if not _NAME.fullmatch(name):
        raise SettingError(
            f"save = {name!r} is no name of a file",
            remedy="Give up to 80 letters, digits, dots, dashes and underscores, without .json.",
        )


def save(evaluation: Evaluation, contenders: Iterable[Contender], name: str, command: str) -> list[Path]:
    """Write what was found of each model into its folder, evaluations/NAME.json; returns the files.

    An earlier one of that name is replaced. Raises SettingError for a name that is none, StorageError where
    it cannot be written.
    """
    check_name(name)
    written = []
    for contender in contenders:
        for folder in contender.folders:
            figures = {
                each["set"]: {
                    "kind": each["kind"],
                    **each["models"][contender.name]["members"][str(folder)],
                }
                for each in evaluation.sets
            }
            document = {
                "what": "; ".join(each["what"] for each in evaluation.sets),
                "command": command,
                "figures": figures,
                "limits": [
                    f"It has learnt from {counted(found['learnt'], 'row')} of {name}, which measures it."
                    for name, found in figures.items()
                    if found.get("learnt")
                ],
                "contamination": evaluation.contamination,
            }
            (folder / FOLDER).mkdir(exist_ok=True)
            path = folder / FOLDER / f"{name}.json"
            write_file(path, json_bytes(seal(document)))
            written.append(path)
    return written
