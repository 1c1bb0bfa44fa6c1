"""The files of a finished run's documents, checked against its records.

A reader of its own: what is trained sees of a run what lies there, and nothing of the pipeline that made it.
"""

from __future__ import annotations

from pathlib import Path

from corpuskit.errors import EmptyError, RunError
from corpuskit.storage.files import read_sealed, sha256_file

_DOCUMENTS, _RECORDS, _LEDGER = "documents", "manifest", "ledger.json"
_AGAIN = "Call `corpuskit build` with the same recipe: what is damaged is made again."


def document_files(run: Path) -> list[Path]:
    """The files, in the order of the sources as `corpuskit.run.folder.Run.to_datasets` has them.

    Raises:
        RunError: the build is not finished, a record cannot be read, or a file is not what its record says.
        EmptyError: the run holds no documents.
    """
    if not (run / _LEDGER).is_file():
        remedy = "Call `corpuskit build` again with the same recipe: it goes on where it stopped."
        raise RunError(f"{run}: the build is not finished: there is no {_LEDGER}", remedy=remedy)
    order: dict[str, int] = {}
    found: dict[Path, str] = {}
    for path in sorted((run / _RECORDS).rglob("*.json")):
        try:
            record = read_sealed(path)
            for number, part in enumerate(record["made_from"].get("parts") or ()):
                order.setdefault(str(part), number)
            outputs = {run / each["path"]: str(each["sha256"]) for each in record["outputs"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{path}: is no record of a task: {type(error).__name__}: {error}"
            raise RunError(message, remedy=_AGAIN) from error
        found |= {file: sha256 for file, sha256 in outputs.items() if file.parent == run / _DOCUMENTS}
    if not found:
        raise EmptyError(f"{run}: it holds no documents", remedy="Build it from other sources.")
    for file, sha256 in found.items():
        _check(file, sha256)
    return sorted(found, key=lambda file: order.get(file.stem, len(order)))


def _check(file: Path, sha256: str) -> None:
    try:
        whole = sha256_file(file) == sha256
    except OSError as error:
        raise RunError(f"{file}: cannot be read: {error.strerror}", remedy=_AGAIN) from error
    if not whole:
        raise RunError(f"{file}: is damaged: not what its record says", remedy=_AGAIN)
