"""Scores of texts that were written for texts, and `eval` of what models write."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import SettingError
from corpuskit.train.data.tables.row import Account
from corpuskit.train.evaluate.written import scores
from corpuskit.train.evaluate.written.pairs import Asked, pair_files
from corpuskit.train.evaluate.written.scores import exact_match, rouge_l, rouge_note, score_of
from tests.tiny_models import make_model
from tests.train.tune.tuning import command, lines, refusal, tune


def measured(found: Any, model: Path) -> dict[str, Any]:
    """What `eval --json` says of one model on one set."""
    assert found.exit_code == 0, found.output
    [each] = json.loads(found.stdout)["sets"]
    member: dict[str, Any] = each["models"][str(model)]["members"][str(model)]
    return member


# --------------------------------------------------------------------------------------------------- scores
def test_scores_are_those_of_sacrebleu_with_their_signatures() -> None:
    """Case scores: of the corpus, not a mean over lines."""
    said = [
        *("The old ferry leaving at nine is late.", '"Two coffees please!"'),
        *("He cannot find the blue-green jar.", "It rained."),
    ]
    wanted = [
        *("The old ferry, which leaves at nine, is late.", '"Two coffees, please!"'),
        *("He can't find the blue-green jar.", "It rained."),
    ]
    bleu, chrf = score_of("bleu", said, wanted), score_of("chrf", said, wanted)
    assert bleu.value == pytest.approx(39.7979, abs=1e-4)
    assert chrf.value == pytest.approx(72.4301, abs=1e-4)
    from importlib.metadata import version

    assert bleu.signature == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version('sacrebleu')}"
    assert chrf.signature.startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")


def test_score_empty_counts_what_is_empty() -> None:
    """Case score_empty: neither an error nor a text left out."""
    said, wanted = ["", "red lamps in fog", "   "], ["a small boat", "red lamps in fog", "they sang"]
    assert score_of("bleu", said, wanted).value == pytest.approx(28.6505, abs=1e-4)
    assert score_of("chrf", said, wanted).value == pytest.approx(50.8336, abs=1e-4)
    assert exact_match(said, wanted) == pytest.approx(1 / 3)
    assert score_of("rouge_l", [""], ["a"]).value == 0


def test_rouge_is_a_mean_over_lines_without_stemming() -> None:
    """Case rouge: which tokenizer and stemmer is told, and letters that it drops are."""
    said = ["Markets slide as banks report losses", "", "Größere Ernte als üblich", "late goal. early lead."]
    wanted = [
        *("Bank reports loss, market slides", "Storm closes harbour", "Größere Ernte als im Vorjahr"),
        "early lead.\nlate goal.",
    ]
    assert rouge_l(said, wanted) == pytest.approx([0, 0, 0.7273, 0.5], abs=1e-4)
    found = score_of("rouge_l", said, wanted)
    assert found.value == pytest.approx(30.68, abs=0.01)
    assert "stemmer:no" in found.signature
    assert "a-z0-9" in found.signature
    assert rouge_note(wanted).startswith("1 of 4 references have letters or digits beyond a-z and 0-9")
    assert rouge_note(["plain words"]) == ""


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name, library in (("bleu", "sacrebleu"), ("rouge_l", "rouge-score")):
        with pytest.raises(SettingError, match=rf"{library}, which is not installed\n.*corpuskit\[seq2seq\]"):
            score_of(name, ["a"], ["a"])
    assert len(scores.missing()) == 3
    assert exact_match(["a"], ["a"]) == 1


# ----------------------------------------------------------------------------------------------------- eval
LEMMAS = ["glimp\tglimps\tN;PL", "torf\ttorf\tN;SG", "wug\twug\tV;PRS", "blick\tblicked\tV;PST"]
LEMMAS += ["Mu\u0308l\tM\u00fcl\tN;SG", "rast\trast \tN;SG"]


def test_copy_exact_compares_characters_as_they_are(tmp_path: Path) -> None:
    """Case copy_exact: one rule, which is printed, for the model and for a copy of the lemma alone."""
    model = make_model(tmp_path, roles=False)
    file = tmp_path / "dev.tsv"
    file.write_text("".join(f"{row}\n" for row in LEMMAS))
    said = ["glimps", "torf", "wugs", "blicked", "Mu\u0308l", "rast"]
    wanted = [row.split("\t")[1] for row in LEMMAS]
    assert exact_match(said, wanted) == 3 / 6
    words = ("eval", model, file, "--source", 1, "--target", 2, "--max-new", 3)
    for features in ((), ("--features", 3)):
        member = measured(command(*words, *features, "--json"), model)
        assert member["copy"]["exact_match"] == pytest.approx(2 / 6)
        assert member["pairs"] == 6
    printed = command(*words).stdout
    assert "exact match: characters as they are" in printed
    assert "6 pairs; a copy of the source: exact match 0.3333" in printed


PAIRS = [("seven geese", "ab"), ("x", "the quick grey heron waits"), ("a b c d e f g h", "Z"), ("no", "9!")]


def test_pad_loss_of_eval_does_not_depend_on_the_batch(tmp_path: Path) -> None:
    model = make_model(tmp_path, roles=False)
    file = tmp_path / "data.csv"
    file.write_text("source,target\n" + "".join(f"{source},{target}\n" for source, target in PAIRS))
    for batch in (1, 2, 4):
        member = measured(
            command("eval", model, file, "--task", "seq2seq", "--batch", batch, "--max-new", 2, "--json"),
            model,
        )
        assert member["loss"]["value"] == pytest.approx(4.091460, abs=1e-4)
        assert member["tokens"] == 35
        assert member["empty"] == 4, "to this model the end is the likeliest token"


def test_lines_unequal_are_refused_by_eval_too(tmp_path: Path) -> None:
    model = make_model(tmp_path, roles=False)
    files = [tmp_path / "a.src", tmp_path / "a.tgt"]
    for path, count in zip(files, (5, 4), strict=True):
        path.write_text("line\n" * count)
    said = refusal(command("eval", model, *files, "--task", "seq2seq"))
    assert "line 5 is the first without a partner" in said
    assert "no file of targets behind it" in refusal(command("eval", model, files[0], "--task", "seq2seq"))


def test_two_tables_without_an_ending_are_two_tables(tmp_path: Path) -> None:
    """By the columns that were taught; of lines two are sources and targets."""
    for name, text in (("one", "a\tb\tN\nc\td\tV\n"), ("two", "e\tf\tN\ng\th\tV\n")):
        (tmp_path / name).write_text(text)
    taught = {"source": "1", "target": "2", "features": ["3"]}
    paths = [tmp_path / "one", tmp_path / "two"]
    found = pair_files(paths, Asked(), taught)
    assert [each.name for each in found] == ["one", "two"]
    assert [row.source for row in found[1].pairs.rows(Account())] == ["e\tN", "g\tV"]
    [both] = pair_files(paths, Asked(), {})
    assert both.name == "one two"


def test_what_a_run_measured_is_what_eval_measures(both: Path, tmp_path: Path) -> None:
    """With smoothing too, which is no part of what is measured; what was learnt from is told apart."""
    rows = [{"source": f"{word} {n}", "target": word * n} for n in (1, 2, 3) for word in ("up", "no")]
    held = lines(
        tmp_path / "held.jsonl", [{"source": "up 9", "target": "up"}, {"source": "no 7", "target": "no"}]
    )
    data = lines(tmp_path / "data.jsonl", rows)
    how: dict[str, Any] = {"steps": 12, "learning_rate": 3e-3, "batch_rows": 3, "validation": str(held)}
    run = tune(both, data, tmp_path / "out", "seq2seq", label_smoothing=0.2, **how)
    member = measured(command("eval", run.out, held, "--json"), run.out)
    assert member["loss"]["value"] == pytest.approx(run.result.validation_loss, abs=1e-5)
    assert member["exact_match"]["value"] == pytest.approx(run.result.figures["exact_match"], abs=1e-6)
    assert member["chrf"]["value"] == pytest.approx(run.result.figures["chrf"], abs=1e-4)
    assert (member["learnt"], member["rest"]) == (0, None)
    mixed = lines(tmp_path / "mixed.jsonl", [*rows[:2], {"source": "else", "target": "up"}])
    found = command("eval", run.out, mixed, "--json", "--save", "mixed")
    member = measured(found, run.out)
    assert member["learnt"] == 2
    assert member["rest"]["pairs"] == 1
    assert "WARNING: of 3 pairs the model has learnt from 2, which it may know by heart" in member["told"]
    assert (
        json.loads((run.out / "evaluations" / "mixed.json").read_text())["figures"]["mixed.jsonl"]["pairs"]
        == 3
    )
    shown = command("eval", run.out, both, mixed, "--task", "seq2seq", "--beams", 2)
    assert shown.exit_code == 0, shown.output
    assert "beam search of 2" in shown.stdout
    assert "on 1 not learnt from" in shown.stdout
    assert "was not fine-tuned for seq2seq" in shown.stdout


def test_what_is_known_of_pairs_is_what_was_learnt_of_them(tmp_path: Path) -> None:
    """Beside its own target a source was read whole, though for an answer of any length it is cut."""
    table = {"": {"x": 1.0}, "x": {"x": 1.0}}
    begun = make_model(tmp_path, "bigram", table=table, roles=False, context=64)
    rows = [{"source": "s" * 50, "target": "ab"}, {"source": "7", "target": "a" * 20}]
    data = lines(tmp_path / "data.jsonl", rows)
    run = tune(begun, data, tmp_path / "out", "seq2seq", steps=1, learning_rate=1e-9, batch_rows=2)
    member = measured(command("eval", run.out, data, "--json"), run.out)
    assert (member["learnt"], member["sources_cut"]) == (2, 1)
    assert (member["cut_by_limit"], member["cut_by_context"]) == (1, 1)
    assert "1 text of 2 cut: the context has no room for more" in member["told"]
    shutil.rmtree(run.out / "data")
    told = measured(command("eval", run.out, data, "--json"), run.out)["told"]
    assert any("how many of the pairs the model has learnt from is not known" in each for each in told)
