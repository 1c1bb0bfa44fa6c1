"""A generator of odd files: names, types, depths, sizes, and damaged forms of each format that is read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import socket
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

WORDS = [
    *("the", "harbour", "was", "built", "by", "ropemakers", "naïve", "größer", "мир", "港口"),
    *("مرحبا", "สวัสดี", "x"),
]
ENDINGS = [
    *(".txt", ".text", ".md", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".tab", ".parquet", ".arrow"),
    *(".feather", ".xml", ".zip", ".htm", ".pdf", ".TXT", ".JSONL", ".Json", ".CSV", ".PARQUET", ".Arrow"),
    *(".XML", ".ZIP", ""),
]
PACKS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: bytes(pa.Codec("zstd").compress(data, asbytes=True)) if data else b"",
    ".GZ": lambda data: gzip.compress(data, mtime=0),
}
STEMS = [
    *(b"a", b"B c", b"[/x]", b"[bold]", b":smile:", b"\x1b[31mred", b"new\nline", b"\xff\xfe", b"tab\t"),
    *(b"-rf", b"%00", b"a#0", b"x" * 200, "ü".encode(), "\u202e".encode(), b"'\"", b"\\xff", b"1342"),
    *(b"pg84", b"12345-0", b"enwiki-20240101-pages-articles", b"state", b"dataset_info", b"dataset_dict"),
    *(b"fetch", b"pg_catalog", b"x-multistream-index", b"\xc2\x9b31m", b"~", b"$HOME", b"*", b"a?b", b"con"),
]


def text(rng: random.Random, words: int = 30) -> str:
    """Words of several scripts."""
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, words)))


def _value(rng: random.Random, depth: int = 0) -> Any:
    makers: list[Callable[[], Any]] = [
        lambda: text(rng),
        lambda: rng.choice(["", " \u3000", "\u0000", "\ud800", "\x1b[2J", "null", "NaN"]),
        lambda: rng.choice([None, True, False, 0, -0.0, 1.0, 0.5, 1e300, 10**30, float("nan"), float("inf")]),
        lambda: rng.randrange(-(10**6), 10**6),
    ]
    if depth < 4:
        makers += [
            lambda: [_value(rng, depth + 1) for _ in range(rng.randrange(3))],
            lambda: {
                rng.choice(["a", "text", "b.c", "", "\ud83d"]): _value(rng, depth + 1) for _ in range(2)
            },
        ]
    return rng.choice(makers)()


def _row(rng: random.Random) -> dict[str, Any]:
    row: dict[str, Any] = {"text": text(rng)} if rng.random() < 0.7 else {}
    for name in rng.sample(["id", "title", "url", "text", "meta", "meta.text", "language"], rng.randrange(5)):
        row[name] = _value(rng)
    return row


def _json_row(rng: random.Random) -> str:
    odd = [
        "[" * 5000,
        '{"text": ' * 3000,
        '{"text": "x", "n": ' + "9" * 5000 + "}",
        '{"text": "a", "text": "b"}',
        '{"text": NaN, "id": Infinity}',
        '{"text": "half \\ud800 pair"}',
        '{"text": "broken',
        "",
        "   ",
        "[1, 2]",
        "7",
        "{}",
        '{"id": "only"}',
    ]
    return rng.choice(odd) if rng.random() < 0.2 else json.dumps(_row(rng), ensure_ascii=rng.random() < 0.5)


def jsonl(rng: random.Random) -> bytes:
    lines = [_json_row(rng) for _ in range(rng.randrange(20))]
    return rng.choice(["\n", "\r\n", "\n\n"]).join(lines).encode("utf-8", "surrogatepass")


def json_document(rng: random.Random) -> bytes:
    rows = [_row(rng) for _ in range(rng.randrange(6))]
    whole = rng.choice([rows, rows[:1] and rows[0], {"data": rows}, [rows], [*rows, 1], "text", None])
    return json.dumps(whole, indent=rng.choice([None, 1, 4])).encode()


def csv(rng: random.Random) -> bytes:
    names = rng.sample(["text", "id", "title", "label", "text", " text", "", "1"], rng.randrange(1, 5))
    cells = [
        *(
            "plain",
            '"quoted"',
            '"a,b"',
            '"two\nlines"',
            '"open',
            'a"b',
            '"a"b',
            "",
            "1.0",
            "NA",
            '"dou""ble"',
        ),
        *("\x00", "é", "x" * 300),
    ]
    delimiter, end = rng.choice(",,,;\t|"), rng.choice(["\n", "\n", "\r\n", "\r"])
    lines = [delimiter.join(names)]
    lines += [
        delimiter.join(rng.choice(cells) for _ in range(rng.randrange(6))) for _ in range(rng.randrange(20))
    ]
    return end.join(lines).encode(rng.choice(["utf-8", "utf-8-sig", "cp1252", "utf-16"]))


def _array(rng: random.Random, rows: int) -> pa.Array:
    kinds: list[pa.DataType] = [
        *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.binary_view(), pa.binary(4)),
        *(pa.int8(), pa.uint64(), pa.float64(), pa.bool_(), pa.null(), pa.decimal128(30, 3), pa.date32()),
        *(pa.timestamp("ns"), pa.timestamp("s", "Europe/Berlin"), pa.time64("us"), pa.duration("ns")),
    ]
    kind = rng.choice(kinds)
    if pa.types.is_fixed_size_binary(kind):
        return pa.array([rng.choice([None, b"\xff\x00ab"]) for _ in range(rows)], kind)
    if kind in kinds[:5]:
        values = [rng.choice([None, text(rng).encode(), b"bad \xff", b""]) for _ in range(rows)]
        raw = pa.array(values, pa.binary())
        if kind in (pa.string(), pa.large_string()):
            wide = raw.cast(pa.large_binary()) if kind == pa.large_string() else raw
            made = pa.Array.from_buffers(kind, rows, wide.buffers())
            return made.dictionary_encode() if rng.random() < 0.2 else made
        return pa.array([v and v.decode("utf-8", "replace") for v in values]).cast(kind)
    numbers = pa.array([rng.choice([None, rng.randrange(100)]) for _ in range(rows)], pa.int64())
    if kind == pa.null():
        return pa.nulls(rows)
    return numbers.cast(pa.int32()).cast(kind) if kind == pa.date32() else numbers.cast(kind)


def table(rng: random.Random) -> pa.Table:
    rows = rng.choice([0, 1, 7, 300])
    names = rng.sample(["id", "title", "url", "meta.text", "id", "language", "\x1b[1m", ""], rng.randrange(6))
    arrays = [_array(rng, rows) for _ in names]
    if rng.random() < 0.8:
        names, arrays = [*names, "text"], [*arrays, pa.array([text(rng) for _ in range(rows)], pa.string())]
    if rng.random() < 0.2:
        kind = pa.struct([("text", pa.string()), ("n", pa.int8())])
        names, arrays = [*names, "meta"], [*arrays, pa.array([{"text": "x", "n": 1}] * rows, kind)]
    return pa.Table.from_arrays(arrays, names)


def parquet(rng: random.Random) -> bytes:
    out = io.BytesIO()
    made = table(rng)
    try:
        pq.write_table(
            made, out, row_group_size=rng.choice([2, 1000]), compression=rng.choice(["none", "zstd"])
        )
    except (pa.ArrowException, ValueError):
        return b"PAR1"
    return out.getvalue()


def arrow(rng: random.Random) -> bytes:
    out, made = io.BytesIO(), table(rng)
    if rng.random() < 0.5:
        with pa.ipc.new_stream(out, made.schema) as writer:
            writer.write_table(made, max_chunksize=rng.choice([1, 100, 1000]))
    elif rng.random() < 0.5:
        with pa.ipc.new_file(out, made.schema) as writer:
            writer.write_table(made)
    else:
        simple = pa.table({"text": [text(rng)], "id": [1.0]})
        feather.write_feather(simple, out, compression=rng.choice(["lz4", "zstd", "uncompressed"]))
    return out.getvalue()


def dump(rng: random.Random) -> bytes:
    texts = ["{{" * 50, "[[" * 50, "&lt;ref&gt;", text(rng), "", "&#x110000;", "\x0b"]
    pages = []
    for _ in range(rng.randrange(6)):
        title = rng.choice(["A", "B &amp; C", "", "&#27;[31m"])
        namespace, number = rng.choice([0, 0, 1, "x", ""]), rng.choice([1, 2, 3, "x", "", 10**30])
        time = rng.choice(["2024-01-01T00:00:00Z", "never"])
        pages.append(
            f"<page><title>{title}</title><ns>{namespace}</ns><id>{number}</id><revision>"
            f"<id>{rng.randrange(9)}</id><timestamp>{time}</timestamp><text>{rng.choice(texts)}</text>"
            "</revision></page>\n"
        )
    site = "<dbname>enwiki</dbname><base>https://en.wikipedia.org/wiki/A</base>"
    head = f'<mediawiki xml:lang="en"><siteinfo>{site}</siteinfo>\n'
    end = rng.choice(["</mediawiki>", "", "<page>"])
    return f"{rng.choice([head, head, '', '<mediawiki>'])}{''.join(pages)}{end}".encode()


def book(rng: random.Random) -> bytes:
    number = rng.choice(["1342", "0", "", "99999999999999999999", "-5"])
    encoding = rng.choice(["UTF-8", "ISO-8859-1", "rot13", "utf-7"])
    head = f"Title: {text(rng, 5)}\nAuthor: X\nLanguage: {rng.choice(['English', 'German', '', 'Klingon'])}\n"
    head += f"Release Date: June, 1998 [EBook #{number}]\nCharacter set encoding: {encoding}\n\n"
    start = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n"
    end = "\n\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n"
    body = "\n\n".join(text(rng, 60) for _ in range(rng.randrange(8)))
    whole = rng.choice([head, ""]) + rng.choice([start, "", start * 3]) + body
    whole += rng.choice([end, "", end + start])
    return whole.encode(rng.choice(["utf-8", "cp1252", "utf-16"]), "replace")


def plain(rng: random.Random) -> bytes:
    made = "\n".join(text(rng) for _ in range(rng.randrange(20)))
    encoding = rng.choice(
        ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-32", "shift_jis", "koi8-r"]
    )
    return made.encode(encoding, "replace")


def archive(rng: random.Random) -> bytes:
    out = io.BytesIO()
    if rng.random() < 0.7:
        with zipfile.ZipFile(out, "w") as packed:
            names = ["1342.txt", "../evil.txt", "a/b.txt", "/abs.txt", "x.htm", "\x1b.txt", "84-0.txt"]
            for name in rng.sample(names, rng.randrange(4)):
                packed.writestr(name, book(rng))
    else:
        with tarfile.open(fileobj=out, mode="w") as packed:
            info = tarfile.TarInfo("x.txt")
            info.size = 5
            packed.addfile(info, io.BytesIO(b"hello"))
    return out.getvalue()


def noise(rng: random.Random) -> bytes:
    return rng.choice(
        [b"", b"\x00" * 500, rng.randbytes(rng.randrange(3000)), b"\n" * 50, b"\xef\xbb\xbf", b"\xff\xfe"]
    )


MAKERS = [plain, jsonl, json_document, csv, parquet, arrow, dump, book, archive, noise]
FITTING: dict[str, list[Callable[[random.Random], bytes]]] = {
    ".txt": [plain, book],
    ".jsonl": [jsonl],
    ".ndjson": [jsonl],
    ".json": [json_document, jsonl],
    ".csv": [csv],
    ".tsv": [csv],
    ".parquet": [parquet],
    ".arrow": [arrow],
    ".feather": [arrow],
    ".xml": [dump],
    ".zip": [archive],
}


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The bytes as they are, or cut off, flipped, doubled or with something behind them."""
    if not data or rng.random() < 0.5:
        return data
    at = rng.randrange(len(data))
    flipped = bytearray(data)
    for _ in range(rng.randrange(1, 9)):
        flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return rng.choice(
        [data[:at], bytes(flipped), data + data, data + b"\x00" * 100, data + b"behind", data[at:]]
    )


def odd_file(rng: random.Random) -> tuple[bytes, bytes]:
    """A name and what is in the file."""
    ending = rng.choice(ENDINGS)
    fitting = FITTING.get(ending.lower(), MAKERS)
    data = damaged(rng, rng.choice(fitting if rng.random() < 0.8 else MAKERS)(rng))
    name = rng.choice(STEMS) + str(rng.randrange(9)).encode() * rng.randrange(2) + ending.encode()
    if rng.random() < 0.3:
        pack = rng.choice(list(PACKS))
        name += pack.encode()
        data = damaged(rng, PACKS[pack if rng.random() < 0.9 else ".gz"](data))
    return name, data


def odd_folder(root: Path, seed: int, files: int) -> None:
    """Fill a folder with so many odd files at several depths, and with what is no file."""
    rng = random.Random(seed)
    folders = [os.fsencode(root)]
    os.makedirs(root, exist_ok=True)
    for _ in range(files):
        if rng.random() < 0.15:
            inner = rng.choice(STEMS)[:40] + rng.choice([b"", b".jsonl"])
            folder = os.path.join(rng.choice(folders), inner)
            if not os.path.isfile(folder):
                os.makedirs(folder, exist_ok=True)
                folders.append(folder)
        name, data = odd_file(rng)
        path = os.path.join(rng.choice(folders), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)  # a name in brackets has a slash
        if not os.path.lexists(path):
            with open(path, "wb") as file:
                file.write(data)
    odd: list[Callable[[bytes], None]] = [
        lambda path: os.mkfifo(path),
        lambda path: os.symlink(b"/nowhere/at/all", path),
        lambda path: os.symlink(path, path),
        lambda path: os.symlink(os.fsencode(root), path),
        lambda path: os.makedirs(path, exist_ok=True),
        _socket,
    ]
    for number, make in enumerate(odd):
        path = os.path.join(rng.choice(folders), b"odd%d" % number + rng.choice(ENDINGS).encode())
        if not os.path.lexists(path):
            make(path)


def _socket(path: bytes) -> None:
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(os.path.dirname(path))  # the path of a socket may have 107 bytes
        try:
            server.bind(os.path.basename(path))
        finally:
            os.chdir(here)
