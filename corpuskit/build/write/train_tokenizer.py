"""The task that trains the tokenizer on the kept documents, or takes a given one into the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from corpuskit.run.folder import Run
from corpuskit.run.task import Made
from corpuskit.storage.files import write_bytes
from corpuskit.storage.tables import read_batches
from corpuskit.tokenizer.tokenizer import FILE, Tokenizer
from corpuskit.tokenizer.train import TrainTokenizer, existing


def make_tokenizer(run: Run, *, settings: TrainTokenizer, documents: Sequence[str]) -> Made:
    """Train on the documents of a run, in part order, or copy a given tokenizer into the run."""
    path = run.folder / FILE
    if settings.file is not None:
        write_bytes(path, existing(settings.file).read_bytes(), run.temporary)
        outputs = [run.output(FILE)]
    else:
        choices = settings.model_dump(include={"vocab_size", "pattern", "min_frequency"})
        Tokenizer.train(_texts(run, documents), **choices).save(path, run.temporary)
        outputs = [run.output(FILE), run.output("tokenizer/tokenizer_config.json")]
    tokenizer = Tokenizer.load(path)
    facts = {"vocab_size": tokenizer.vocab_size, "end_of_text": tokenizer.end_of_text}
    warnings = []
    if settings.file is None and tokenizer.vocab_size < settings.vocab_size:
        warnings.append(
            f"tokenizer: the text has only {tokenizer.vocab_size} tokens that occur"
            f" {settings.min_frequency} times, not {settings.vocab_size}"
        )
    return Made(outputs, facts=facts, warnings=warnings)


def _texts(run: Run, documents: Sequence[str]) -> Iterator[str]:
    for path in documents:
        for batch in read_batches(run.folder / path, ["text"]):
            yield from batch.column("text").to_pylist()
