"""Signs that a short text is no prose in the language that CLD2 finds: code, names, other scripts' words."""

from __future__ import annotations

import re

_CODE_SIGN = re.compile(r"[(){}\[\]<>=_;\\|#$^~+*]|[:{][ \t]*$", re.MULTILINE)
_CODE_SHARE = 0.12
"""Signs of program code to letters: prose has one bracket in 50 letters."""
_CODE_WORDS_LIST = """
SELECT FROM WHERE INSERT INTO VALUES UPDATE DELETE JOIN ORDER GROUP BY CREATE TABLE SET LIMIT echo elif
fi done esac sudo npm pip git mkdir grep chmod curl cd ls import return def func function const let var
printf print println nil null None true false True False void int str len self endif struct enum lambda
async await foreach elseif endfor INTEGER PRIMARY KEY NULL NOT VARCHAR FOREIGN REFERENCES
"""
_CODE_WORDS = frozenset(_CODE_WORDS_LIST.split())
_STATEMENT = re.compile(
    r"(?:def|class|while|for|if|elif|else|try|except|with)\b[^!?]*:$|return\b[^.!?,]*$"
    r"|(?:from|import) [\w.]+(?: |$)"
    r"|[\w.]+\([^)]*\);?$|(?=.*[()\[\]{}=<>]|(?:public|private|static|const)\b).*[;{}]$"
)
"""A line of a program: verses, too, end in a semicolon."""
_KEY = re.compile(r"(?:- )?[a-z_][\w.-]*:(?: \S+)?$")
"""A line of a configuration: a name in lower case and a word at most."""
_CODE_WORD_SHARE = 0.25
"""Words of programs to words of a text."""
_READ = 600
"""Characters up to which words of a text are looked at one by one."""

# Words that are frequent in a language and in no other, as it is commonly written in Latin letters.
_ROMANIZED_LIST = """
hai nahin nahi mujhe mein hoon kya kyun aap yahan kahan pata woh bahut acha accha hum tum raha rahe rahi
karo karna chahiye gaya liye aur lekin abhi znayu gde zhivet chto eto kak privet segodnya ochen khorosho
spasibo pozhaluysta menya tebya yest byl byla dumayu kogda pochemu tolko seychas nedaleko zavtra watashi
desu masu gozaimasu arigatou arigato sensei anata kore sore wa gakusei nihon kudasai deshita shimasu
konnichiwa ohayou kalimera kalispera efharisto einai eimai kanis simera esi ego den kai habibi inshallah
shukran mabsoot ktir yalla ana inta mish bahebak xuesheng shi wo hen women nimen zhongguo xiexie nihao
de shenme
"""
_ROMANIZED = frozenset(_ROMANIZED_LIST.split())
_ROMANIZED_SHARE = 0.25


def is_code(text: str, letters: int) -> bool:
    """Whether a text of so many letters looks like a program, a query or a call of one."""
    signs = len(_CODE_SIGN.findall(text))
    if signs >= _CODE_SHARE * letters:
        return True
    if _is_lines_of_code(text):
        return True
    if not signs and "\n" not in text and " -" not in text and "&&" not in text:
        return False
    words = re.findall(r"\w+", text) if len(text) < _READ else []
    found = sum(word in _CODE_WORDS for word in words)
    return found > 1 and found >= _CODE_WORD_SHARE * len(words)


def _is_lines_of_code(text: str) -> bool:
    """Whether most of a text, by characters, stands in lines that are statements, or names and values."""
    lines = [stripped for line in text.split("\n") if (stripped := line.strip())]
    whole = sum(map(len, lines))
    statements = [len(line) for line in lines if _STATEMENT.match(line)]
    if len(statements) > 1 and 2 * sum(statements) > whole:
        return True
    keys = [len(line) for line in lines if _KEY.match(line)]
    return len(keys) > 2 and 2 * sum(keys) > whole


def doubt(text: str, script: str) -> float:
    """Factor of the confidence in the language of a short text.

    Below 1 for a word or two, for nothing but capitalized words, as lists of names are, and for words of
    Hindi, Russian, Japanese, Greek, Arabic and Chinese in Latin letters.
    """
    if len(text) >= _READ:
        return 1.0
    words = re.findall(r"[^\W\d_]+", text)
    factor = 0.7 if len(words) < 3 else 1.0
    long = [word for word in words if len(word) > 1]
    if len(long) > 1 and all(word[0].isupper() for word in long) and not text.isupper():
        factor *= 0.6
    if script == "Latn":
        romanized = sum(word in _ROMANIZED for word in text.lower().split())
        if romanized > 1 and romanized >= _ROMANIZED_SHARE * len(words):
            factor *= 0.5
    return factor
