"""The display of a run: a live table on a terminal, a line for each validation elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from corpuskit.cli.terminal import UNBROKEN, wrapped
from corpuskit.errors import counted
from corpuskit.train.watch.events import Event

_SPARKS = "▁▂▃▄▅▆▇█"
_SPARK_POINTS = 24
_BAR = 30
_FACT = 24  # columns that a figure takes with its name
_FIGURES = {"perplexity": ("perplexity", ".1f"), "bits_per_byte": ("bits/byte", ".3f")}
_UNSHOWN = ("train_loss", "loss", "seconds", "tokens_per_s")  # said otherwise, or elsewhere


class Display:
    """Shows events on a console; what it is called with is never changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(self, console=console, refresh_per_second=4) if console.is_terminal else None
        self._facts: dict[str, str] = {}
        self._losses: deque[float] = deque(maxlen=_SPARK_POINTS)
        self._step, self._steps = 0, 0
        self._flops = self._peak = 0.0

    def __enter__(self) -> Display:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show an event; some, such as "save", have no line of their own."""
        getattr(self, f"_on_{event['event']}", lambda _: None)(event)

    def __rich__(self) -> RenderableType:
        """The table as it stands."""
        head = Table.grid(padding=(0, 2))
        of = f"/{self._steps:,}" if self._steps else ""
        count = f"step {self._step:,}{of}"
        # What does not fit is left out, the curve first; the bar is as long as there is room.
        room = self._console.width - len(count) - 4
        sparks = _SPARK_POINTS if room >= _SPARK_POINTS + _BAR else 0
        long = max(4, min(_BAR, room - sparks))
        bar = ProgressBar(total=self._steps or None, completed=self._step, width=long, pulse=not self._steps)
        head.add_row(Text(count), bar, *([Text(sparkline(self._losses))] if sparks else []))
        table = Table.grid(padding=(0, 2))
        facts = list(self._facts.items())
        beside = max(1, min(4, self._console.width // _FACT))
        for first in range(0, len(facts), beside):
            row: list[Text] = []
            for name, value in facts[first : first + beside]:
                row += [Text(name, style="dim"), Text(value, justify="right")]
            table.add_row(*row)
        return Group(head, table)

    def _on_start(self, event: Event) -> None:
        self._say(event["summary"])
        for note in event.get("notes", ()):
            self._say(f"{note}.".replace("..", "."))
        for warning in event["warnings"]:
            self._say(f"Warning: {warning}")
        self._step, self._steps = event["step"], event["steps"] or 0
        self._flops = event.get("flops_per_token") or 0.0
        self._peak = event.get("peak_flops") or 0.0

    def _on_step(self, event: Event) -> None:
        self._step = event["step"] + 1
        self._losses.append(event["loss"])
        self._facts["loss"] = f"{event['loss']:.3f}"
        self._facts["tokens/s"] = f"{event['tokens_per_s']:,.0f}"
        if self._flops and self._peak:
            self._facts["MFU"] = f"{event['tokens_per_s'] * self._flops / self._peak:.1%}"
        if event["eta_s"] is not None:
            self._facts["left"] = clock(event["eta_s"])
        self._facts["learning rate"] = f"{event['learning_rate']:.2e}"
        self._facts["gradient"] = f"{event['gradient_norm']:.2f}"
        if event.get("memory_bytes"):
            self._facts["memory"] = f"{event['memory_bytes'] / 1e9:.2f} GB"

    def _on_skip(self, event: Event) -> None:
        figures = ""
        if event["loss"] is not None:
            figures = f" (loss {event['loss']:.4g}, gradient norm {event['gradient_norm']:.4g})"
        self._say(
            f"step {event['step']:6d}  update skipped: {event['reason']}{figures}; "
            f"its batch holds the {event['batch']}"
        )

    def _on_compile(self, event: Event) -> None:
        self._say(
            f"step {event['step']:6d}  compiled again: {counted(event['graphs'], 'graph')}, which takes time"
        )

    def _on_horizon(self, event: Event) -> None:
        self._steps = event["steps"]
        self._say(
            f"The run will have {event['steps']:,} steps; the learning rate falls from step "
            f"{event['step']:,} on."
        )

    def _on_validation(self, event: Event) -> None:
        self._facts["validation"] = f"{event['loss']:.3f}"
        if event["best"]:
            self._facts["best"] = f"{event['loss']:.3f} at {event['step']:,}"
        shown = [f"train {event['train_loss']:.3f}", f"validation {event['loss']:.3f}"]
        for name, value in event.items():
            if name in _UNSHOWN or not isinstance(value, float):
                continue
            word, form = _FIGURES.get(name, (name.replace("_", " "), ".3f"))
            shown.append(f"{word} {value:{form}}")
            if name != "perplexity":
                self._facts[word] = f"{value:{form}}"
        self._say(
            "  ".join([f"step {event['step']:6d}", *shown])
            + ("  (best)" if event["best"] else "")
            + f"  {event['tokens_per_s']:,.0f} tokens/s"
            + (f"  {self._facts['left']} left" if "left" in self._facts else "")
        )
        if event.get("sources"):
            self._say(" " * 13 + sources_line(event["sources"]))

    def _on_sample(self, event: Event) -> None:
        self._say(f"--- sample after step {event['step']} ---\n{event['text']}\n---")
        scores = event.get("scores") or {}
        if scores.get("right") is not None:
            self._say(f"gaps filled right {scores['right']:.0%}")
        for said, each in (("", scores), ("held-out text: ", event.get("held_out") or {})):
            if each.get("known_words") is not None:
                self._say(said + scores_line(each))

    def _on_stop(self, event: Event) -> None:
        self._say(f"Stopped at step {event['step']}: {event['reason']}.")

    def _say(self, text: str) -> None:
        # A terminal would break lines within words; what is no terminal has no width.
        text = wrapped(text, self._console.width if self._console.is_terminal else UNBROKEN)
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def scores_line(scores: Mapping[str, float | None]) -> str:
    """Scores of samples, or of text that people wrote, in one line.

    >>> scores_line({"known_words": 0.5, "distinct_2": None, "longest_repeat": 2, "bits_per_byte": 1.25})
    'known words 50%, longest repeat 2 words, 1.250 bits/byte'
    """
    pairs, cost = scores["distinct_2"], scores.get("bits_per_byte")
    return (
        f"known words {scores['known_words']:.0%}"
        + ("" if pairs is None else f", different pairs {pairs:.0%}")
        + f", longest repeat {counted(int(scores['longest_repeat'] or 0), 'word')}"
        + ("" if cost is None else f", {cost:.3f} bits/byte")
    )


def sources_line(sources: Mapping[str, Mapping[str, float | None]]) -> str:
    """Loss and bits per byte of each source in one line.

    >>> sources_line({"a": {"loss": 3.5, "bits_per_byte": 1.2}, "b": {"loss": 4, "bits_per_byte": None}})
    'a 3.500 (1.200 bits/byte)   b 4.000'
    """
    return "   ".join(
        f"{source} {each['loss']:.3f}"
        + ("" if each["bits_per_byte"] is None else f" ({each['bits_per_byte']:.3f} bits/byte)")
        for source, each in sources.items()
    )


def clock(seconds: float) -> str:
    """A span of time as it is read off a clock.

    >>> clock(125.2), clock(3725), clock(90_000)
    ('2:05', '1:02:05', '25:00:00')
    """
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def sparkline(values: deque[float]) -> str:
    """Values as bars between the least and the greatest of them.

    >>> sparkline(deque([1.0, 2.0, 4.5]))
    '▁▃█'
    """
    if not values:
        return ""
    low, high = min(values), max(values)
    scale = (len(_SPARKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_SPARKS[round((value - low) * scale)] for value in values)
