"""The tokenizer: trained, loaded, applied to text and back, as Hugging Face ``tokenizers`` does it.

One class serves the pipeline and the trainer. What is kept of it is a tokenizer.json.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from corpuskit.documents.batch import byte_lengths
from corpuskit.documents.columns import strings_of
from corpuskit.documents.texts import PIECE_CHARACTERS, pieces_of, strings
from corpuskit.errors import SettingError, TrainError
from corpuskit.storage.files import json_text
from corpuskit.tokenizer import lossless, special
from corpuskit.tokenizer.byte_level import TokenBytes
from corpuskit.tokenizer.count import PretokenCounter
from corpuskit.tokenizer.cuts import LINE_END, LINES_CHARACTERS, Piece, batched, cut_all, runs_of, safe_border
from corpuskit.tokenizer.encoding import Encoder, encoder_of
from corpuskit.tokenizer.engines.engines import Flat
from corpuskit.tokenizer.engines.unbroken import LONG, Unbroken
from corpuskit.tokenizer.files import read_expected, read_given, tokenizer_file, write_files
from corpuskit.tokenizer.merges import Merges, learn_merges
from corpuskit.tokenizer.patterns import DEFAULT, check_pattern, splitter
from corpuskit.tokenizer.streaming import Decoder, decoder_of

LEAST_VOCABULARY = special.RESERVED + 256
"""Special tokens and single bytes: a vocabulary without merges."""

_THREADS = 4
"""More that count pretokens at once would wait for the texts."""


class _Facts(NamedTuple):
    """What is read from a tokenizer.json.

    Attributes:
        tokens: their bytes; None where it is not byte-level.
        safe: where texts may be cut; None where that is not known.
        unknown_id: of the token for what the vocabulary does not have; None where there is none.
    """

    tokens: TokenBytes | None
    safe: re.Pattern[str] | None
    unknown_id: int | None


class Tokenizer:
    """A tokenizer.json between text and ids. Text that spells a special token stays text.

    Attributes:
        data: the bytes of its tokenizer.json.
        sha256: their digest in hex.
        end_of_text: the id that ends a document.
        dropout: the share of merges that its file leaves out by lot, which is not done here; 0 for most.

    >>> tokenizer = Tokenizer.train(["the cat sat on the mat, the rat on the cat"], vocab_size=400)
    >>> ids = tokenizer.encode("the rat")
    >>> tokenizer.decode(ids), [tokenizer.decode([i]) for i in ids], tokenizer.offsets("the rat")
    ('the rat', ['the', ' ', 'r', 'at'], [(0, 3), (3, 4), (4, 5), (5, 7)])
    >>> [len(ids) for ids in tokenizer.encode(["the cat", "<|endoftext|>"])]
    [2, 13]
    """

    def __init__(self, model: tokenizers.Tokenizer, data: bytes, end_of_text: int) -> None:
        """Of a model that was read from `data`, unchecked: `train`, `load` and `load_expected` make one."""
        # Text is never control: "<|endoftext|>" in a text is encoded as the characters that it is made of.
        model.encode_special_tokens = True
        # A file may ask for both: the first loses text, the second adds tokens that stand for none.
        model.no_truncation()
        model.no_padding()
        # A text has the same ids each time.
        self.dropout = float(getattr(model.model, "dropout", None) or 0)
        if self.dropout:
            model.model.dropout = None
        self._model, self.data, self.end_of_text = model, data, end_of_text
        self.sha256 = hashlib.sha256(data).hexdigest()

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int = 8192,
        pattern: str = DEFAULT,
        min_frequency: int = 2,
        *,
        digits: int | None = None,
        told: Callable[[int, int], bool] | None = None,
    ) -> Tokenizer:
        """Train a byte-level BPE on texts; every byte is in the alphabet, so every text can be encoded.

        Texts are given whole: pretokens that span a newline are counted as they will later be encoded.

        Args:
            texts: read once, in order.
            vocab_size: ids: 128 special ones, 256 bytes, and merges. Less come of little text.
            pattern: how text is cut into pretokens: llama3, gpt2, cl100k, qwen2, qwen3.5, o200k, or a regular
                expression of your own, which takes longer.
            min_frequency: how often a pair must occur when it is merged.
            digits: so many stand together at most, from the left; as many as the pattern says by default.
            told: hears now and then how many merges are learnt, and of how many; may end it by False.

        Raises SettingError for a vocabulary below 384 ids, an unknown pattern and what is no list of texts,
        InputError for one of them that is no text or holds half of a surrogate pair.
        """
        if type(vocab_size) is not int:
            raise _no_number("vocab_size", vocab_size)
        return cls.train_sizes(
            texts, [vocab_size], pattern, min_frequency, digits=digits, told=told, owner="Tokenizer.train"
        )[vocab_size]

    @classmethod
    def train_sizes(
        cls,
        texts: str | Iterable[str],
        vocab_sizes: Sequence[int],
        pattern: str = DEFAULT,
        min_frequency: int = 2,
        *,
        digits: int | None = None,
        told: Callable[[int, int], bool] | None = None,
        owner: str = "Tokenizer.train_sizes",
    ) -> dict[int, Tokenizer]:
        """Train tokenizers of several sizes at once, by size; each is what `train` of that size gives.

        >>> small, large = Tokenizer.train_sizes(["a cat, a rat, a cat"], [385, 387]).values()
        >>> [small.vocab_size, large.vocab_size]
        [385, 387]
        """
        check_sizes(vocab_sizes)
        if type(min_frequency) is not int or not 1 <= min_frequency < 2**31:
            raise _no_number("min_frequency", min_frequency)
        check_pattern(pattern, digits)
        with TemporaryDirectory(prefix="corpuskit-") as folder:
            threads = min(_THREADS, os.cpu_count() or 1)
            counter = PretokenCounter(pattern, digits, threads=threads, folder=Path(folder))
            counter.add(strings(owner, [texts] if isinstance(texts, str) else texts), owner)
            largest = max(vocab_sizes)
            merges = learn_merges(
                counter.take(),
                largest,
                special.SPECIAL_TOKENS,
                min_frequency,
                lambda done: told is None or told(done, largest - LEAST_VOCABULARY),
            )
        return {size: cls.of_merges(merges.first(size), pattern, digits) for size in vocab_sizes}

    @classmethod
    def of_merges(cls, merges: Merges, pattern: str, digits: int | None = None) -> Tokenizer:
        """The tokenizer of merges that were learnt from pretokens of a pattern."""
        vocabulary = {token: number for number, token in enumerate(merges.tokens)}
        model = tokenizers.Tokenizer(models.BPE(vocabulary, merges.pairs))
        # Without its own pattern, which is GPT-2's and would cut once more.
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        model.pre_tokenizer = pre_tokenizers.Sequence([splitter(pattern, digits), byte_level])
        model.decoder = decoders.ByteLevel()
        model.add_special_tokens(list(special.SPECIAL_TOKENS))
        end_of_text = special.SPECIAL_TOKENS.index(special.END_OF_TEXT)
        return cls(model, model.to_str(pretty=True).encode(), end_of_text)

    @classmethod
    def load(cls, path: Path | str, *, lossy: bool = False) -> Tokenizer:
        """Read a tokenizer.json, or that of a folder, that is to make tokens.

        Args:
            lossy: whether it may lose or change text. Without it, it must know all 256 bytes, have no step
                that changes text, and give back a set of odd texts.

        Raises InputError for anything else, SettingError for one that cannot end a document, takes text for
        control, or from which a text does not come back.
        """
        path = tokenizer_file(path)
        model, data = read_given(path)
        end_of_text = model.token_to_id(special.END_OF_TEXT)
        if end_of_text is None:
            raise SettingError(
                f"{path}: has no token {special.END_OF_TEXT!r}, which ends each document",
                remedy="Add it to the tokenizer as a special token, or train one with corpuskit.",
            )
        loaded = cls(model, data, end_of_text)
        if loaded.vocab_size > 2**31:
            raise SettingError(
                f"{path}: has the id {loaded.vocab_size - 1}, and shards hold ids below 2**31",
                remedy="Give its tokens ids without gaps.",
            )
        if loaded._taken_for_control():
            raise SettingError(
                f"{path}: encodes a typed {special.END_OF_TEXT!r} as the end of a text",
                remedy="Mark that token as special in the tokenizer, or train one with corpuskit.",
            )
        if not lossy and (reason := loaded.loses()):
            raise SettingError(
                f"{path}: text would be lost without a word: {reason}",
                remedy="Take a byte-level tokenizer without normalization, or train one with corpuskit; with"
                " `lossy: allow` beside `file` in a recipe (`lossy=True` here) losses are counted instead.",
            )
        return loaded

    @classmethod
    def load_expected(cls, path: Path, sha256: str, end_of_text: int) -> Tokenizer:
        """Read the tokenizer.json, with this digest, that has made tokens; `end_of_text` ends documents.

        It may lose text, as many that others made do. Raises TrainError when it is missing, damaged, not the
        expected one, or makes that id from text.
        """
        model, data = read_expected(path, sha256)
        loaded = cls(model, data, end_of_text)
        if word := loaded._taken_for_control():
            raise TrainError(
                f"{path}: the text {word!r} is encoded as the id {end_of_text}, which ends a document",
                remedy='Mark it with "special": true in added_tokens, and build the shards again.',
            )
        return loaded

    def save(
        self,
        path: Path | str,
        temporary: Path | None = None,
        *,
        overwrite: bool = False,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        """Write tokenizer.json, and tokenizer_config.json for ``AutoTokenizer.from_pretrained(folder)``.

        Args:
            path: best called tokenizer.json, the name that others look for.
            temporary: a folder for unfinished files on the same file system; one of its own without it.
            overwrite: replace files that hold something else.
            training: how it was trained, for training.json beside it.

        Raises:
            SettingError: one of them is there already and holds something else; `overwrite` allows it.
            StorageError: they cannot be written.
        """
        path = Path(path)
        marked = set(self.special_ids())
        config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast"}
        config |= {role: n for role, n in special.ROLES.items() if self._model.token_to_id(n) in marked}
        # Else `transformers` may take spaces before punctuation away from what it decodes.
        config |= {"clean_up_tokenization_spaces": False, "model_max_length": 10**9}
        files = {path: self.data, path.with_name("tokenizer_config.json"): json_text(config).encode()}
        if training is not None:
            files[path.with_name("training.json")] = json_text(training).encode()
        write_files(files, temporary, overwrite=overwrite)

    # A text is an iterable of texts too: which of the two is meant only the first can say.
    @overload
    def encode(self, texts: str) -> list[int]: ...  # type: ignore[overload-overlap]
    @overload
    def encode(self, texts: Iterable[str]) -> Iterator[npt.NDArray[np.uint32]]: ...
    def encode(self, texts: str | Iterable[str]) -> list[int] | Iterator[npt.NDArray[np.uint32]]:
        """The ids of a text, or of each of many in turn, without any special token.

        Long calls are encoded by a fast engine where it gives the ids of ``tokenizers``: see `encoding`.

        Raises SettingError for a text that is no Unicode, EncodingError where the two are found to differ
        after all.
        """
        if not isinstance(texts, str):
            return self._encode_all(strings("Tokenizer.encode", texts))
        if len(texts) > PIECE_CHARACTERS:
            ids: list[int] = next(self._encode_all([texts])).tolist()
            return ids
        try:
            return list(self._model.encode(texts, add_special_tokens=False).ids)
        except TypeError:
            _refuse_half_characters(texts)
            raise

    def _encode_all(self, texts: Iterable[str]) -> Iterator[npt.NDArray[np.uint32]]:
        """The ids of each text."""
        begun: list[npt.NDArray[np.uint32]] = []
        for run in self.encode_flat(texts):
            start = 0
            for end in run.ends.tolist():
                ids, start = run.ids[start:end], end
                # Its own: a slice would hold all of its run.
                yield np.concatenate([*begun, ids]) if begun else ids.copy()
                begun = []
            if start < len(run.ids):
                begun.append(run.ids[start:])

    def encode_flat(self, texts: Iterable[str]) -> Iterator[Flat]:
        """The same ids in runs of bounded size; the `ends` of a run are of the texts that end in it.

        A text may begin in one run and end in another. Raises as `encode`.
        """
        return self._encoded(cut_all(texts, self._safe))

    def encode_column(self, texts: pa.Array | pa.ChunkedArray, *, checked: bool = False) -> Iterator[Flat]:
        """The same of a column of strings, of which some are taken out of it at a time.

        Args:
            checked: whether it is known that all its bytes are UTF-8, as of documents that a build wrote.

        Raises SettingError, too, for a column of anything else, with nulls or bytes that are no UTF-8.
        """
        texts, encoder = strings_of(texts, "texts", checked=checked), self.encoder
        sizes = byte_lengths(texts)
        for start, stop in runs_of(sizes, lambda: encoder.batch_bytes, lambda: encoder.whole_bytes):
            run = texts.slice(start, stop - start)
            if len(run) > 1 or sizes[start] <= encoder.whole_bytes:
                yield encoder.encode(run)
            else:
                yield from self.encode_flat(run.to_pylist())

    def _encoded(self, cut: Iterable[Piece]) -> Iterator[Flat]:
        encoder = self.encoder
        for batch in batched(cut, lambda: encoder.batch_bytes):
            # A batch ends with the piece that makes it large.
            long = [batch.pop()] if len(batch[-1][0]) > LONG and self._unbroken is not None else []
            try:
                if batch:
                    found = encoder.encode([piece for piece, _ in batch])
                    yield Flat(found.ids, found.ends[[last for _, last in batch]])
                for piece, last in long:
                    yield from self._in_parts(piece, last)
            except (TypeError, UnicodeEncodeError):
                for piece, _ in batch + long:
                    _refuse_half_characters(piece)
                raise

    def _in_parts(self, piece: str, last: bool) -> Iterator[Flat]:
        """The ids of a long piece, and whether its text ends with it."""
        assert self._unbroken is not None
        nowhere = np.empty(0, np.int64)
        for ids in self._unbroken.encode(piece, self.encoder.encode):
            yield Flat(ids, nowhere)
        if last:
            yield Flat(np.empty(0, np.uint32), np.zeros(1, np.int64))

    @cached_property
    def _unbroken(self) -> Unbroken | None:
        return Unbroken.of(self._model, self._document, self._bytes) if self.cuts_safely else None

    @cached_property
    def vocab_size(self) -> int:
        """Ids are below it. It is not their number: some files leave ids out."""
        return max(self._known, default=-1) + 1

    @cached_property
    def _known(self) -> frozenset[int]:
        return frozenset(self._model.get_vocab(with_added_tokens=True).values())

    @cached_property
    def encoder(self) -> Encoder:
        """What encodes long calls: its `name`, and `use_reference`, which leaves all to ``tokenizers``."""
        return encoder_of(self._model, self._document, self.sha256, self.vocab_size)

    @property
    def cuts_safely(self) -> bool:
        """Whether it is known where a text may be cut so that its ids stay what they are."""
        return self._safe is not None

    def encode_blocks(self, blocks: Iterable[str]) -> Iterator[npt.NDArray[np.uint32]]:
        """The ids of one text that comes in blocks, in parts: memory does not grow with the text.

        Together they are those of the whole where `cuts_safely` holds. Else a text is cut behind the first
        line that ends beyond each `LINES_CHARACTERS`, and the ids around such a cut may be others.
        """
        border, size = (self._safe, None) if self._safe else (LINE_END, LINES_CHARACTERS)
        return (run.ids for run in self._encoded((p, True) for p in pieces_of(blocks, border, size)))

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each token of one text lies: (start, end) in characters."""
        offsets: list[tuple[int, int]] = self._model.encode(text, add_special_tokens=False).offsets
        return offsets

    def decode(self, ids: Sequence[int] | npt.NDArray[np.integer]) -> str:
        """The text of some ids, special tokens spelled out; SettingError for an id that no token has."""
        numbers = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
        # The library passes over ids that it does not know.
        for number in numbers:
            if number not in self._known:
                raise SettingError(
                    f"id {number!r}: the tokenizer has no such token",
                    remedy=f"Its ids are whole numbers from 0 to {self.vocab_size - 1}.",
                )
        return str(self._model.decode(numbers, skip_special_tokens=False))

    def spelling(self, number: int) -> str | None:
        """A token as tokenizer.json spells it, where each byte has a character; None where there is none."""
        found: str | None = self._model.id_to_token(number)
        return found

    def changes(
        self, text: str, ids: npt.NDArray[np.unsignedinteger] | None = None, *, whole: bool = True
    ) -> str | None:
        """Where what comes back from a text's tokens differs from it, in words; None where it is equal.

        Args:
            ids: the tokens; made here without them.
            whole: whether they are all of the text's, or those of its beginning.
        """
        if ids is None or (self._bytes is None and not whole):
            text, ids, whole = text[:PIECE_CHARACTERS] if ids is not None else text, None, True
        numbers = np.asarray(self.encode(text) if ids is None else ids, np.uint32)
        if self._bytes is None:
            back = self.decode(numbers)
        else:
            # Of a text that goes on, the last character may be begun only.
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            back = decoder.decode(self._bytes.join(numbers), final=whole)
        if back == text or (not whole and text.startswith(back)):
            return None
        return lossless.difference(text, back)

    def decoder(self, before: Sequence[int] = ()) -> Decoder:
        """Decode, one by one, ids that follow `before`."""
        return decoder_of(self.decode, None if self._bytes is None else self._bytes.of, before)

    def special_ids(self) -> list[int]:
        """Ids of the tokens that the tokenizer marks as special, ascending."""
        added = self._model.get_added_tokens_decoder()
        return sorted(number for number, token in added.items() if token.special)

    def never_text(self, vocab_size: int) -> list[int]:
        """Ids below `vocab_size`, a model's, that stand for no text: special ones, and those of no token."""
        special = set(self.special_ids())
        return [i for i in range(vocab_size) if i in special or i not in self._known]

    @property
    def keeps_blanks(self) -> bool:
        """Whether white space is in the tokens; whole words and WordPiece leave it out."""
        return type(self._model.model).__name__ not in ("WordLevel", "WordPiece")

    @property
    def unknown_id(self) -> int | None:
        """The id that stands for what the vocabulary does not have; None where there is none."""
        return self._facts.unknown_id

    def special_id(self, name: str) -> int:
        """Id of the special token of this name; raises TrainError where there is none."""
        number = self._model.token_to_id(name)
        if number is None or number not in self.special_ids():
            raise TrainError(
                f"the tokenizer has no special token {name}",
                remedy="Build with a tokenizer that corpuskit trains; objective causal needs no such token.",
            )
        return int(number)

    def mask_id(self) -> int:
        """Id of the token that stands for a masked one; raises TrainError where there is none."""
        marked = set(self.special_ids())
        known = (self._model.token_to_id(name) for name in (special.MASK, *special.OTHER_MASKS))
        found = next((number for number in known if number in marked), None)
        if found is None:
            *names, last = special.MASK, *special.OTHER_MASKS
            raise TrainError(
                f"the tokenizer has no special token {', '.join(names)} or {last}, which objective = masked "
                "and denoise put for what is hidden",
                remedy="Add one to its file as a special token, build with a tokenizer that corpuskit "
                "trains, or take objective = causal.",
            )
        return int(found)

    def sentinel_ids(self, count: int = len(special.SENTINELS)) -> list[int]:
        """Ids of the first sentinels, which stand for spans; raises TrainError where there are fewer."""
        return [self.special_id(special.SENTINEL.format(number)) for number in range(count)]

    def token_bytes(self, vocab_size: int) -> npt.NDArray[np.int64] | None:
        """Bytes of text that each id stands for, (vocab_size,); 0 for special tokens.

        None unless the tokenizer is byte-level, where each character of a token stands for one byte: in
        others the bytes of a token depend on its neighbours.
        """
        if self._bytes is None:
            return None
        lengths = np.zeros(vocab_size, np.int64)
        known = self._bytes.lengths[:vocab_size]
        lengths[: len(known)] = known
        lengths[[number for number in self.special_ids() if number < vocab_size]] = 0
        return lengths

    @property
    def byte_lengths(self) -> npt.NDArray[np.int64] | None:
        """The same for each id below `vocab_size`, special and added ones as they are spelled; see there."""
        return None if self._bytes is None else self._bytes.lengths

    def spelled(self, token: int) -> bytes | None:
        """The bytes that an id stands for; None unless the tokenizer is byte-level, and for an unknown id."""
        return None if self._bytes is None else self._bytes.of(token)

    @property
    def _document(self) -> dict[str, Any]:
        """Its file as Python reads it, which is not kept: it takes as much memory as the tokenizer."""
        return dict(json.loads(self.data))

    @cached_property
    def _facts(self) -> _Facts:
        document = self._document
        tokens = TokenBytes.of_file(document, self._model.get_vocab(with_added_tokens=True))
        model = document["model"]
        number = None if model.get("byte_fallback") else model.get("unk_id")
        if model.get("unk_token") is not None:
            number = self._model.token_to_id(model["unk_token"])
        return _Facts(tokens, safe_border(document), None if number is None else int(number))

    @property
    def _bytes(self) -> TokenBytes | None:
        return self._facts.tokens

    @property
    def _safe(self) -> re.Pattern[str] | None:
        return self._facts.safe

    def loses(self) -> str | None:
        """Why some text does not come back from its tokens; None where all that is seen and tried does."""
        vocabulary = self._model.get_vocab(with_added_tokens=True)
        found = lossless.objections(self._document, type(self._model.model).__name__, vocabulary)
        if (reason := next(found, None)) is not None:
            return reason
        added = self._model.get_added_tokens_decoder().values()
        texts = lossless.probes([token.content for token in added if not token.special])
        tried = (self.changes(text) for text in texts)
        return next((f"text does not come back: {change}" for change in tried if change is not None), None)

    def _taken_for_control(self) -> str | None:
        """A text that is encoded as the end of a document: an added token that is not marked as special."""
        # Models of others end a text by a token of another name; ours is what their users may type, too.
        words = (special.END_OF_TEXT, self._model.id_to_token(self.end_of_text) or special.END_OF_TEXT)
        return next((word for word in words if self.end_of_text in self.encode(f"a{word}b")), None)


def _refuse_half_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # Bytes of an argument that are no UTF-8 come as half characters.
        raise SettingError(f"{text[:60]!r} is no text in UTF-8", remedy="Convert it first.") from error


def check_sizes(vocab_sizes: Sequence[int]) -> None:
    """Raise `SettingError` for sizes of a vocabulary that cannot be."""
    if not vocab_sizes:
        raise SettingError("vocab_sizes: there is none", remedy="Give one size or more: 8192, 32768.")
    for size in vocab_sizes:
        if type(size) is not int or not 1 <= size < 2**31:
            raise _no_number("vocab_size", size)
        if size < LEAST_VOCABULARY:
            raise SettingError(
                f"vocab_size = {size} is below {LEAST_VOCABULARY}",
                remedy=f"{special.RESERVED} special tokens and 256 bytes have an id in any case.",
            )


def _no_number(name: str, value: object) -> SettingError:
    return SettingError(
        f"{name} = {value!r} is no whole number that can be used",
        remedy="Give one from 1 on, below 2,147,483,648.",
    )
