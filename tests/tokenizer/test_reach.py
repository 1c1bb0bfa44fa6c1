"""Tokens that no text can produce: by the merges alone, against all short texts."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from corpuskit.tokenizer.byte_level import byte_alphabet
from corpuskit.tokenizer.reach import Vocabulary

LETTER = {byte: letter for letter, byte in byte_alphabet().items()}


def byte_level(merges: Sequence[tuple[bytes, bytes]], more: Sequence[bytes] = ()) -> Vocabulary:
    """A byte-level vocabulary of some merges, and of tokens that no merge makes."""
    spelled = [tuple("".join(LETTER[b] for b in side) for side in pair) for pair in merges]
    tokens = [*LETTER.values(), *(left + right for left, right in spelled)]
    tokens += ["".join(LETTER[b] for b in token) for token in more]
    ids = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    model = tokenizers.Tokenizer(models.BPE(ids, spelled))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.decoder = decoders.ByteLevel()
    return Vocabulary(model.to_str().encode())


def unreachable(vocabulary: Vocabulary) -> list[bytes]:
    found = vocabulary.unreachable()
    assert found is not None
    return [vocabulary.raw[number] for number in found]


@pytest.mark.parametrize("seed", range(40))
def test_they_are_those_that_no_short_text_produces(seed: int) -> None:
    """Vocabularies of random merges of three letters, against every text of up to eight of them."""
    chance = random.Random(seed)
    tokens, merges = ["a", "b", "c"], []
    while len(merges) < 9:
        pair = (chance.choice(tokens), chance.choice(tokens))
        if len("".join(pair)) <= 4 and pair not in merges:
            merges.append(pair)
            tokens += [] if "".join(pair) in tokens else ["".join(pair)]
    tokens.append("cabc" if "cabc" not in tokens else "accc")
    ids = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    model = tokenizers.Tokenizer(models.BPE(ids, merges))
    produced = set()
    for size in range(1, 8):
        for text in itertools.product("abc", repeat=size):
            produced |= set(model.encode("".join(text)).ids)
    expected = sorted(number for token, number in ids.items() if len(token) > 1 and number not in produced)
    assert Vocabulary(model.to_str().encode()).unreachable() == expected


def test_a_part_of_a_character_needs_the_rest_of_it() -> None:
    """``e2 98`` is reached only where one of the bytes that finish it is not merged to it."""
    merges = [(b"\xe2", b"\x98"), *((b"\xe2\x98", bytes([last])) for last in range(0x80, 0xC0))]
    assert unreachable(byte_level(merges)) == [b"\xe2\x98"]
    assert unreachable(byte_level(merges[:-1])) == []


def test_a_part_of_a_character_needs_its_beginning() -> None:
    """``98 83``: where all that may stand before it takes the 98 away, no text has it."""
    before = [bytes([lead]) for lead in (*range(0x80, 0xC0), *range(0xE1, 0xF4))]
    merges = [*((left, b"\x98") for left in before), (b"\x98", b"\x83")]
    assert unreachable(byte_level(merges)) == [b"\x98\x83"]
    # F1 98 83 and one byte more is a character.
    others = [pair for pair in merges if pair[0] != b"\xf1"]
    assert unreachable(byte_level(others)) == []
    # F1 98 is merged before 98 98, and 98 83 finishes that character.
    assert unreachable(byte_level([(b"\xf1", b"\x98"), *others])) == []


def test_bytes_that_no_utf8_text_has_side_by_side() -> None:
    merges = [(b"\xc3", b"\xa9"), (b"\xa9", b"\xc3"), (b"\xc3", b"A"), (b"\xff", b"\xfe")]
    assert unreachable(byte_level(merges)) == [b"\xc3A", b"\xff\xfe"]


def test_a_token_in_the_middle_of_a_pretoken_is_reached() -> None:
    """The pattern would never give ``en`` alone where it is asked with a blank before it."""
    vocabulary = byte_level([(b"e", b"n"), (b" ", b"t")])
    assert unreachable(vocabulary) == []


def test_whole_words_that_are_looked_up_first_are_reached() -> None:
    """With ``ignore_merges`` a pretoken of the vocabulary is one token, whether merges lead to it or not."""
    plain = byte_level([(b"t", b"h")], more=[b"zz"])
    assert unreachable(plain) == [b"zz"]
    document = json.loads(plain._whole.to_str())
    document["model"]["ignore_merges"] = True
    assert unreachable(Vocabulary(json.dumps(document).encode())) == []


def test_other_models_are_not_judged_by_merges() -> None:
    words = tokenizers.Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    vocabulary = Vocabulary(words.to_str().encode())
    assert (vocabulary.kind, vocabulary.unreachable(), vocabulary.unknown) == ("WordLevel", None, 1)


def test_added_tokens_have_the_ids_that_they_are_read_with() -> None:
    """`tokenizers` numbers an added token anew whose id does not follow those of the vocabulary."""
    vocabulary = {letter: number for number, letter in enumerate(byte_alphabet())} | {"zz": 300}
    made = tokenizers.Tokenizer(models.BPE(vocabulary, []))
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>"])
    document = json.loads(made.to_str())
    document["added_tokens"][0]["id"] = 9000
    data = json.dumps(document).encode()
    number = tokenizers.Tokenizer.from_buffer(data).token_to_id("<|endoftext|>")
    assert Vocabulary(data).special == {number}
