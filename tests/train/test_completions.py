"""Texts of a batch are those that each would be alone; what is said piece by piece is the whole text."""

import dataclasses
import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import tokenizers
import torch
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from corpuskit.errors import SettingError, TrainError
from corpuskit.tokenizer.models.unigram import train_unigram
from corpuskit.tokenizer.models.words import train_word_level, train_wordpiece
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import LanguageModel, ModelSettings, Sampling, Transformer
from corpuskit.train.generate.fill import fill_masks, fill_spans, fill_text
from corpuskit.train.generate.generate import Reader
from corpuskit.train.generate.sampling import Completion, Prompt, draw
from corpuskit.train.model.transformer import Kind, initialise

TEXTS = ["The miller sold a lantern to my aunt.", "Über die Brücke, 日本語 😀 naïve café."] * 20
SPECIAL = ["<|endoftext|>", "<|mask|>", *(f"<|sentinel_{i}|>" for i in range(3))]
SHAPE = ModelSettings(vocab_size=400, layers=2, width=32, heads=4, kv_heads=2, hidden=64, context=32)
GENERATING: list[Kind] = ["decoder", "encoder-decoder"]


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return saved(tokenizer, tmp_path_factory.mktemp("codec"))


@pytest.mark.parametrize("name", ["<|mask|>", "[MASK]", "<mask>"])
def test_the_mask_is_known_by_the_names_that_others_give_it(tmp_path: Path, name: str) -> None:
    tokenizer = tokenizers.Tokenizer(models.BPE({"<|endoftext|>": 0, "a": 1}, []))
    tokenizer.add_special_tokens(["<|endoftext|>", name])
    assert saved(tokenizer, tmp_path).mask_id() == 2


def saved(tokenizer: tokenizers.Tokenizer, folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return Tokenizer.load_expected(path, hashlib.sha256(path.read_bytes()).hexdigest(), end_of_text=0)


def language_model(codec: Tokenizer, kind: Kind, context: int = SHAPE.context) -> LanguageModel:
    """A model of random weights, its head's too."""
    shape = dataclasses.replace(SHAPE, kind=kind, vocab_size=codec.vocab_size, context=context)
    settings = dataclasses.replace(shape, zero_init=False, tie_embeddings=False)
    model = Transformer(settings)
    initialise(model, 1)
    torch.nn.init.normal_(model.head.weight, std=0.3, generator=torch.Generator().manual_seed(1))
    return LanguageModel(model.eval(), codec, 0)


PROMPTS = [
    "The",
    "The miller sold a lantern to my aunt and then the miller sold another lantern",
    "naïve",
    "a b",
]


def reads(model: LanguageModel, prompt: Prompt, ids: Sequence[int]) -> Tensor:
    """Logits of what follows, all read anew, without a cache."""
    network = model.model
    memory = None if prompt.source is None else network.encode(torch.tensor([prompt.source]))
    return network(torch.tensor([ids]), memory=memory)[0, -1]


@pytest.mark.parametrize("kind", GENERATING)
def test_a_batch_is_read_as_each_text_alone(codec: Tokenizer, kind: Kind) -> None:
    """Logits within 1e-5, before and after the context is full, which is at another step for each text."""
    model = language_model(codec, kind)
    tokens = random.Random(0)
    prompts = [model.prompt(text) for text in PROMPTS]
    if kind == "encoder-decoder":  # Targets that have begun, each at another length.
        prompts = [dataclasses.replace(p, start=[0, *range(9, 9 + 5 * n)]) for n, p in enumerate(prompts)]
    together = [Completion(codec, prompt) for prompt in prompts]
    alone = [[Completion(codec, prompt)] for prompt in prompts]
    reader = Reader(model.model, together, 60)
    readers = [Reader(model.model, completion, 60) for completion in alone]
    context, checked = model.model.settings.context, 0
    for step in range(60):
        logits = reader.logits(together)
        for row, completion in enumerate(together):
            expected = readers[row].logits(alone[row])[0]
            torch.testing.assert_close(logits[row], expected, rtol=1e-5, atol=1e-4)
            if len(completion.all_ids) <= context:
                plain = reads(model, completion.prompt, completion.all_ids)
                torch.testing.assert_close(logits[row], plain, rtol=1e-5, atol=1e-4)
                checked += 1
            token = tokens.randrange(5, model.model.settings.vocab_size)
            completion.add(token, last=False)
            alone[row][0].add(token, last=False)
        if step == 30:  # One text is done: the others go on without it.
            del together[1], readers[1], alone[1]
            reader.select([0, 2, 3])
    assert checked > 40


@pytest.mark.parametrize("kind", GENERATING)
@pytest.mark.parametrize("batch_rows", [2, 5, 100])
def test_samples_do_not_depend_on_their_batch(codec: Tokenizer, kind: Kind, batch_rows: int) -> None:
    model = language_model(codec, kind)
    options = (40, Sampling(1.0, 50, 0.95, 0.001), 7)
    together = model.generate(PROMPTS, *options, count=2, batch_rows=batch_rows)
    alone = [each for text in PROMPTS for each in model.generate(text, *options, count=2, batch_rows=1)]
    assert together == alone
    assert len({sample.text for sample in together}) == 8
    if kind == "encoder-decoder":
        assert not any(sample.text.startswith("The") for sample in together[:2])


def test_texts_of_a_batch_end_each_at_its_own_end(codec: Tokenizer) -> None:
    model = language_model(codec, "decoder")
    (plain,) = model.generate("The", 30, Sampling(temperature=0))
    stop = plain.text[8:11]
    both = model.generate(["The", "naïve"], 30, Sampling(temperature=0), stop=[stop])
    assert both[0].text == plain.text[: plain.text.index(stop, 3)]
    assert both[1] == model.generate("naïve", 30, Sampling(temperature=0), stop=[stop])[0]
    assert len(both[0].ids) < 30


def test_an_encoder_decoder_answers_its_source(codec: Tokenizer) -> None:
    """Another source gives another text; the prompt is no part of what is written."""
    model = language_model(codec, "encoder-decoder")
    first, second = model.generate(["The miller", "The sailor"], 12, Sampling(temperature=0))
    assert first.ids != second.ids
    with pytest.raises(SettingError, match="source is 0 tokens long"):
        model.generate("", 5)
    with pytest.raises(SettingError, match="this model reads 1 to 32"):
        model.generate("lantern " * 40, 5)


def test_an_encoder_writes_no_text(codec: Tokenizer) -> None:
    with pytest.raises(SettingError, match="encoder, which writes no text") as caught:
        language_model(codec, "encoder").generate("The", 5)
    assert "--fill" in str(caught.value)


@pytest.mark.parametrize("seed", range(40))
def test_pieces_are_the_text(codec: Tokenizer, seed: int) -> None:
    """Any ids, characters cut in two and bytes that are none included, say bit by bit what they say."""
    chance = random.Random(seed)
    ids = [chance.randrange(5, 300) for _ in range(30)]
    if seed % 2:
        ids = codec.encode(chance.choice(TEXTS))[chance.randrange(4) :]
        del ids[chance.randrange(len(ids)) :]
    decoder = codec.decoder()
    pieces = [decoder.add(token) for token in ids]
    assert "".join([*pieces, decoder.rest()]) == codec.decode(ids)
    # As soon as a character is whole it is said.
    for count in range(len(ids)):
        said, whole = "".join(pieces[:count]), codec.decode(ids[:count])
        assert whole.startswith(said)
        assert len(whole) - len(said) <= 1


@pytest.mark.parametrize("byte_fallback", [False, True])
def test_other_tokenizers_say_the_same_piece_by_piece(tmp_path: Path, byte_fallback: bool) -> None:
    """White space that the first token of a text loses, and bytes that are characters together only."""
    vocabulary = {"<|endoftext|>": 0, "▁the": 1, "▁a": 2, "lamp": 3, "▁": 4, "<unk>": 5}
    vocabulary |= {f"<0x{byte:02X}>": 6 + byte for byte in range(256)}
    tokenizer = tokenizers.Tokenizer(
        models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=byte_fallback)
    )
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    parts: list[decoders.Decoder] = [decoders.ByteFallback()] if byte_fallback else []
    tokenizer.decoder = decoders.Sequence([*parts, decoders.Metaspace()])
    codec = saved(tokenizer, tmp_path)
    prompt = [1, 3]
    euro = [6 + byte for byte in "€".encode()]
    ids = [1, 3, 2, 3, 3, *euro, 4, 1, 3, *euro, *euro, 2, euro[0]]
    decoder = codec.decoder(prompt)
    pieces = [decoder.add(token) for token in ids]
    text = "".join([*pieces, decoder.rest()])
    assert codec.decode(prompt) + text == codec.decode(prompt + ids)
    assert ("€" in text) == byte_fallback
    assert pieces[:3] == [" the", "lamp", " a"]


def test_a_long_text_is_decoded_once(codec: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    monkeypatch.setattr(Tokenizer, "decode", lambda self, ids: decoded.append(len(ids)) or "")
    completion = Completion(codec, Prompt([0, *range(5, 200)], 1, (0,), stop=("never",)))
    for token in codec.encode("The miller sold a lantern. " * 50):
        completion.add(token, last=False)
    assert sum(decoded) == 0
    assert completion.text.startswith("The miller")
    assert len(completion.text) == len("The miller sold a lantern. " * 50) - 4


def test_a_gap_is_filled_by_its_likeliest_tokens(codec: Tokenizer) -> None:
    model = language_model(codec, "encoder")
    filled = fill_masks(model, "The <mask> sold a <mask>.", top=4)
    mask = codec.special_id("<|mask|>")
    ids = [*codec.encode("The"), mask, *codec.encode(" sold a"), mask, *codec.encode(".")]
    logits = model.model(torch.tensor([ids]))[0, :, : model.model.settings.vocab_size]
    logits[:, codec.special_ids()] = -torch.inf
    for gap, candidates in zip(
        [i for i, token in enumerate(ids) if token == mask], filled.candidates, strict=True
    ):
        expected = logits[gap].softmax(0).topk(4)
        assert [each.text for each in candidates] == [codec.decode([int(i)]) for i in expected.indices]
        assert [each.probability for each in candidates] == pytest.approx(expected.values.tolist(), rel=1e-4)
    first, second = (each[0].text for each in filled.candidates)
    assert filled.text == f"The{first} sold a{second}."
    # The marker can be another; what is no marker is text.
    other = fill_masks(model, "The [?] sold a <mask>.", marker="[?]")
    assert len(other.candidates) == 1
    assert other.text.endswith("sold a <mask>.")


def test_spans_stand_where_their_sentinels_say(codec: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    model = language_model(codec, "encoder-decoder")
    asked: list[Prompt] = []
    real = LanguageModel.write
    script = [6, codec.special_id("<|sentinel_1|>"), *codec.encode(" blue")]
    script.append(codec.special_id("<|sentinel_0|>"))

    def scripted(self: LanguageModel, prompts: Sequence[Prompt], *rest: object) -> list[Completion]:
        asked.extend(prompts)
        completions = real(self, prompts, *rest)  # type: ignore[arg-type]
        for completion in completions:
            completion.ids = list(script)
        return completions

    monkeypatch.setattr(LanguageModel, "write", scripted)
    (filled,) = fill_spans(model, "The <mask> sold a <mask> lamp.", 10)
    s0, s1 = codec.special_id("<|sentinel_0|>"), codec.special_id("<|sentinel_1|>")
    assert asked[0].source == [
        *codec.encode("The"),
        s0,
        *codec.encode(" sold a"),
        s1,
        *codec.encode(" lamp."),
    ]
    assert list(asked[0].may_say) == [s0, s1]
    assert filled.spans == ["", " blue"]
    assert not filled.ended, "its sentinels go on to the limit"
    assert filled.text == "The sold a blue lamp."


@pytest.mark.parametrize(
    ("written", "spans"),
    [
        ("The old miller sold a blue lamp.", [" old miller", " blue"]),
        ("The sold a lamp.", ["", ""]),
        ("The old miller sold two lamps.", ["", ""]),
    ],
)
def test_a_text_that_was_hidden_in_part_is_written_whole(
    codec: Tokenizer, monkeypatch: pytest.MonkeyPatch, written: str, spans: list[str]
) -> None:
    """What stands at the gaps is known where the text around them is as it was."""
    asked = scripted(monkeypatch, written)
    (filled,) = fill_text(denoiser(codec), "The <mask> sold a <mask> lamp.")
    mask = codec.mask_id()
    parts = [codec.encode(part) for part in ("The", " sold a", " lamp.")]
    assert asked[0][0].source == [*parts[0], mask, *parts[1], mask, *parts[2]]
    assert (filled.text, filled.spans, filled.ended) == (written, spans, True)


def denoiser(codec: Tokenizer, context: int = 32) -> LanguageModel:
    model = language_model(codec, "encoder-decoder", context)
    model.document["objective"] = "denoise"
    return model


def scripted(monkeypatch: pytest.MonkeyPatch, written: str) -> list[tuple[Prompt, int, Sampling | None]]:
    """Let all models write one text and end it; prompts, limits and sampling of those that are asked."""
    asked: list[tuple[Prompt, int, Sampling | None]] = []

    def write(
        self: LanguageModel, prompts: Sequence[Prompt], limit: int, sampling: Sampling | None, rows: int
    ) -> list[Completion]:
        asked.extend((prompt, limit, sampling) for prompt in prompts)
        completions = [Completion(self.tokenizer, prompt) for prompt in prompts]
        for completion in completions:
            for token in self.tokenizer.encode(written):
                completion.add(token, last=False)
            completion.add(0, last=False)
        return completions

    monkeypatch.setattr(LanguageModel, "write", write)
    return asked


def test_a_text_written_whole_has_room_for_all_of_it(
    codec: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, model = "The <mask> sold a <mask> lamp.", denoiser(codec)
    (cut,) = fill_text(model, text, 16, Sampling(temperature=0))
    assert not cut.ended
    with pytest.raises(SettingError, match=r"tokens = 9: .*has 1\d(?s:.*)the context is the limit"):
        fill_text(model, text, 9)
    asked = scripted(monkeypatch, "The old miller sold a blue lamp.")
    own = Sampling(top_k=3)
    fill_text(model, text)
    fill_text(model, text, 30, own)
    fill_text(model, text, count=2)
    # Drawn by chance, one token around the gaps would soon be another; several texts alike are of no use.
    told = [(32, Sampling(temperature=0)), (30, own), (32, None), (32, None)]
    assert [(limit, sampling) for _, limit, sampling in asked] == told


@pytest.mark.parametrize("text", ["A <mask> <mask> mill.", "A<mask><mask>", "<mask><mask>"])
def test_gaps_that_touch_are_refused_where_the_text_is_written_whole(codec: Tokenizer, text: str) -> None:
    with pytest.raises(SettingError, match="'<mask>' twice with nothing between"):
        fill_text(denoiser(codec), text)


def test_what_stands_around_gaps_is_compared_as_the_tokenizer_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here in small letters and composed; others leave out blanks."""
    tokenizer = tokenizers.Tokenizer(models.BPE({each: n for n, each in enumerate(SPECIAL)}, []))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    scripted(monkeypatch, "the old miller saw a caf\u00e9.")
    (filled,) = fill_text(denoiser(saved(tokenizer, tmp_path), 64), "The <mask> Saw a Cafe\u0301.")
    assert (filled.text, filled.spans) == ("the old miller saw a caf\u00e9.", [" old miller"])


@pytest.mark.parametrize("name", ["word_level", "wordpiece", "unigram"])
def test_gaps_are_found_whatever_a_tokenizer_does_with_blanks(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    texts = ["The old miller sold a blue lamp, to my aunt."] * 9
    tokenizer = {
        "word_level": lambda: train_word_level(texts, words=20, lowercase=True),
        "wordpiece": lambda: train_wordpiece(texts, 400, lowercase=True),
        "unigram": lambda: train_unigram(texts, 400),
    }[name]()
    scripted(monkeypatch, "The old miller sold a blue lamp, to my aunt.")
    model = denoiser(tokenizer, 64)
    (filled,) = fill_text(model, "The <mask> sold a <mask> lamp, to <mask> aunt.")
    assert filled.spans == [" old miller", " blue", " my"]
    assert filled.text == tokenizer.decode(tokenizer.encode("The old miller sold a blue lamp, to my aunt."))
    (filled,) = fill_text(model, "<mask> sold a blue <mask>")
    assert filled.spans[0].lower() == "the old miller"
    assert filled.spans[1].replace(" ", "") == "lamp,tomyaunt."


def test_only_the_sentinels_of_the_source_may_be_said(codec: Tokenizer) -> None:
    model = language_model(codec, "encoder-decoder")
    with torch.no_grad():  # All logits are equal: the likeliest token is the first that is allowed.
        model.model.decoder.norm.weight.zero_()
    end = model.end_of_text
    (completion,) = model.write([Prompt([end], 1, (end,), [9], may_say=[3, 4])], 4, Sampling(temperature=0))
    assert (completion.ids, completion.ended) == ([], True)
    (completion,) = model.write([Prompt([end], 1, (), [9], may_say=[3, 4])], 4, Sampling(temperature=0))
    assert completion.ids == [3] * 4
    (completion,) = model.write([Prompt([end], 1, (), [9])], 4, Sampling(temperature=0))
    assert completion.ids == [5] * 4


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("encoder", "The miller", "holds no '<mask>'"),
        ("encoder", "<mask> " + "lantern " * 60, "and this model reads 32"),
        ("decoder", "The <mask>", "is a decoder, not an encoder"),
        ("encoder-decoder", "The <mask>", "is an encoder-decoder, not an encoder"),
    ],
)
def test_what_cannot_be_filled_is_refused(codec: Tokenizer, kind: Kind, text: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        fill_masks(language_model(codec, kind), text)


def test_more_gaps_than_sentinels(codec: Tokenizer) -> None:
    model = language_model(codec, "encoder-decoder")
    with pytest.raises(TrainError, match=r"no special token <\|sentinel_3\|>"):
        fill_spans(model, "a <mask>" * 4)
    with pytest.raises(SettingError, match="count = 0"):
        fill_spans(model, "a <mask>", count=0)
    with pytest.raises(SettingError, match="top = 0"):
        fill_masks(language_model(codec, "encoder"), "a <mask>", top=0)


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(1.0, 0, 1.0),
        Sampling(0.7, 0, 0.9),
        Sampling(1.0, 3, 1.0),
        Sampling(1.0, 3, 0.6),
        Sampling(1.3, 0, 1.0, 0.2),
        Sampling(0.5, 9, 0.95, 0.05),
    ],
)
def test_sorting_few_tokens_draws_as_sorting_all(sampling: Sampling, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a row's few likeliest tokens are enough changes nothing of what is drawn, with ties too."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn((64, 200), generator=generator) * torch.linspace(0.01, 6, 64)[:, None]
    logits[::3] = logits[::3].round()
    sorted_whole = []
    real = torch.sort
    monkeypatch.setattr(torch, "sort", lambda *a, **k: sorted_whole.append(1) or real(*a, **k))
    for row in logits.split(1):
        drawn = []
        for few in (8, 50, 1000):
            monkeypatch.setattr("corpuskit.train.generate.sampling._FEW", few)
            generators = [torch.Generator().manual_seed(seed) for seed in range(20)]
            drawn.append(draw(row.expand(20, -1), sampling, generators))
        assert drawn[0] == drawn[1] == drawn[2]
    assert 64 < len(sorted_whole) < 3 * 64 or sampling.top_p == 1, "both ways were gone"
