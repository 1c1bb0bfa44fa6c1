"""The task that trains the tokenizer on the kept documents, or takes a given one into the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from corpuskit.run.folder import Run
from corpuskit.run.layout import TOKENIZER
from corpuskit.run.task import TaskResult
from corpuskit.tokenizer.other_models import train_other
from corpuskit.tokenizer.tokenizer import Tokenizer, tokenizer_file
from corpuskit.tokenizer.train import TrainTokenizer


def make_tokenizer(run: Run, *, settings: TrainTokenizer, documents: Sequence[str]) -> TaskResult:
    """Train on the documents of a run, in part order, or copy a given tokenizer into the run."""
    if settings.file is not None:
        run.write_bytes(TOKENIZER, tokenizer_file(settings.file).read_bytes())
        outputs = [run.output(TOKENIZER)]
    else:
        trained = _trained(run, settings, documents)
        config = run.path("tokenizer", "tokenizer_config.json")
        for path in (TOKENIZER, config):
            run.note(path)
        with run.scratch() as temporary:
            trained.save(run.local(TOKENIZER), temporary, overwrite=True)
        outputs = [run.output(TOKENIZER), run.output(config)]
    tokenizer = Tokenizer.load(run.local(TOKENIZER), lossy=settings.lossy == "allow")
    facts = {"vocab_size": tokenizer.vocab_size, "end_of_text": tokenizer.end_of_text}
    warnings = []
    sized = settings.file is None and settings.words is None and settings.vocabulary is None
    if sized and tokenizer.vocab_size < settings.vocab_size:
        warnings.append(
            f"tokenizer: the text has only {tokenizer.vocab_size} tokens that occur"
            f" {settings.min_frequency} times, not {settings.vocab_size}"
        )
    return TaskResult(outputs, facts=facts, warnings=warnings)


def _trained(run: Run, settings: TrainTokenizer, documents: Sequence[str]) -> Tokenizer:
    texts = _texts(run, documents)
    if settings.model != "bpe":
        return train_other(texts, settings.model_dump())
    choices = settings.model_dump(include={"vocab_size", "pattern", "min_frequency"})
    return Tokenizer.train(texts, **choices)


def _texts(run: Run, documents: Sequence[str]) -> Iterator[str]:
    for path in documents:
        for batch in run.read_batches(path, ["text"]):
            yield from batch.column("text").to_pylist()
