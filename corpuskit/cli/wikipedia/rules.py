"""``corpuskit wikipedia rules``: how templates are written as text, and which rules are confirmed."""

from __future__ import annotations

import click

from corpuskit.cli.shell import Shell, shell_options
from corpuskit.sources.wikipedia.rules import ShippedRule, shipped_rules


@click.command("rules")
@click.option("--language", default="", help="Only the rules that name this language: pt; * for all wikis'.")
@click.option("--unconfirmed", is_flag=True, help="Only rules without confirmed truth.")
@shell_options
def rules_command(shell: Shell, language: str, unconfirmed: bool) -> None:
    """Show the rules by which templates become text, and count those that are not confirmed.

    A rule is confirmed if a test compares what it writes with a page as its wiki shows it, or with the
    template's documentation there.

    \b
    corpuskit wikipedia rules --language pt
    corpuskit wikipedia rules --unconfirmed
    """
    of_language = [rule for rule in shipped_rules() if not language or language in rule.languages]
    shown = [rule for rule in of_language if not (unconfirmed and rule.confirmed)]
    writing = [rule for rule in of_language if rule.writes]
    counts = {
        "rules": len(of_language),
        "write_text": len(writing),
        "unconfirmed": sum(not rule.confirmed for rule in writing),
    }
    lines = [_line(rule) for rule in shown]
    lines.append("{rules:,} rules, {write_text:,} write text, {unconfirmed:,} unconfirmed".format(**counts))
    shell.result(counts | {"shown": [vars(rule) for rule in shown]}, "\n".join(lines))


def _line(rule: ShippedRule) -> str:
    note = "" if rule.confirmed else "  (unconfirmed)"
    return f"{','.join(rule.languages)}  {'|'.join(rule.names)}  {rule.how} {rule.spec}".rstrip() + note
