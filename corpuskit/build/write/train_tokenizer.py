"""The task that trains the tokenizer on the kept documents, or takes a given one into the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from corpuskit.run.folder import Run
from corpuskit.run.task import Made
from corpuskit.storage.files import write_bytes
from corpuskit.storage.tables import read_batches
from corpuskit.tokenizer.tokenizer import FILE, Encoder
from corpuskit.tokenizer.train import TrainTokenizer, _existing, save, train_bpe


def make_tokenizer(run: Run, *, settings: TrainTokenizer, documents: Sequence[str]) -> Made:
    """Train on the documents of a run, in part order, or copy a given tokenizer into the run."""
    folder = (run.folder / FILE).parent
    if settings.file is not None:
        write_bytes(folder / "tokenizer.json", _existing(settings.file).read_bytes(), run.temporary)
        outputs = [run.output(FILE)]
    else:
        save(train_bpe(_texts(run, documents), settings), folder, run.temporary)
        outputs = [run.output(FILE), run.output("tokenizer/tokenizer_config.json")]
    encoder = Encoder(run.folder / FILE)
    facts = {"vocab_size": encoder.vocab_size, "end_of_text": encoder.end_of_text}
    warnings = []
    if settings.file is None and encoder.vocab_size < settings.vocab_size:
        warnings.append(
            f"tokenizer: the text has only {encoder.vocab_size} tokens that occur"
            f" {settings.min_frequency} times, not {settings.vocab_size}"
        )
    return Made(outputs, facts=facts, warnings=warnings)


def _texts(run: Run, documents: Sequence[str]) -> Iterator[str]:
    for path in documents:
        for batch in read_batches(run.folder / path, ["text"]):
            yield from batch.column("text").to_pylist()
