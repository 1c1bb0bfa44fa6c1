"""The command line: ``corpuskit COMMAND``, one module per command, loaded when it is called.

No command module is imported for ``--help``, so that it answers at once and never loads torch.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module

import click

from corpuskit.cli.shell import importing

# Name: (module of this package, one line for --help). The line is the first one of the command's docstring.
COMMANDS = {
    "fetch": ("corpus.fetch", "Fetch Wikipedia dumps and Gutenberg books from mirrors."),
    "build": ("corpus.build", "Build documents, tokenizer and shards from a recipe."),
    "inspect": ("corpus.inspect", "Show what a run or a model holds."),
    "filter": ("corpus.filter", "Show the rules of quality, and what they would drop of a run."),
    "verify": ("corpus.verify", "Check a run: checksums, ledger, shards and their index; or a model."),
    "diff": ("corpus.diff", "Compare two runs: documents added, removed and changed, and why."),
    "trace": ("corpus.trace", "Lead a token back to its document, source and licence."),
    "search": (
        "corpus.search",
        "Find where a text stands in the shards of a run: how often, in which documents, at which byte.",
    ),
    "pack": ("corpus.pack", "Show what packing would do with a run's documents."),
    "dedup": ("corpus.dedup", "See how well near duplicates are found in a run, and what went for what."),
    "tokenizer": ("corpus.tokenizer", "Train a tokenizer, or look at one."),
    "wikipedia": ("wikipedia.wikipedia", "Look into a dump of Wikipedia or another wiki."),
    "train": ("model.train", "Train a model on the shards of a run."),
    "finetune": ("model.finetune", "Fine-tune a model on labels, answers or texts of your own."),
    "distill": ("model.distill", "Train a smaller model that learns from a larger one."),
    "predict": (
        "model.predict",
        "Say the labels of texts or the tags of their words, or write texts, with a fine-tuned model.",
    ),
    "embed": (
        "model.embed",
        "Make vectors of texts with any kind of model, or find texts that are like another one.",
    ),
    "sample": ("model.sample", "Write text with a trained model."),
    "chat": ("model.chat", "Talk with a trained model."),
    "serve": ("model.serve", "Let clients talk with a trained model, at an address of this machine."),
    "eval": ("model.evaluate", "Measure models on texts and on questions."),
    "memorize": ("model.memorize", "Measure what a model has learnt by heart of its corpus."),
    "export": (
        "model.export",
        "Export a model, or the tokens or documents of a run, for other tools.",
    ),
    "workflow": ("model.workflow", "Do the whole way that a file describes, step by step."),
    "import": (
        "model.import_model",
        "Import a model of Hugging Face transformers from a folder, or an adapter onto its base.",
    ),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module and return its ``command``."""
        if cmd_name not in COMMANDS:
            return None
        with importing():
            command = import_module(f"corpuskit.cli.{COMMANDS[cmd_name][0]}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command for an unknown one."""
        from corpuskit.errors import nearest

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}. {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


def _tell_version(context: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked:
        from corpuskit import __version__  # What is installed is looked up.

        click.echo(f"{context.find_root().info_name}, version {__version__}")
        context.exit()


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """From raw dumps and books to a language model that you trained yourself.

    \b
    corpuskit build pipelines/sample.yaml --out runs/sample
    corpuskit train runs/sample --out models/sample --steps 1200
    corpuskit sample models/sample --prompt "The river"
    """


def main() -> None:
    """Entry point of the ``corpuskit`` command."""
    from corpuskit.cli.shell import Steady, leave, silence

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)
    if sys.stderr is not None:
        sys.stderr = Steady(sys.stderr)
    try:
        cli()
    except BrokenPipeError:
        # `corpuskit inspect RUN | head` closes the pipe early; that is no error of ours.
        silence(sys.stdout)
        sys.exit(0)
    except (AttributeError, ImportError) as error:
        if not any(name in str(error) for name in ("corpuskit._native", "'_native' from 'corpuskit'")):
            raise
        from corpuskit.errors import CorpuskitError

        remedy = "In a checkout call `make install`; else install corpuskit again."
        what = f"the native part of corpuskit is not that of its Python files: {error}"
        said = CorpuskitError(what, remedy=remedy)
        click.echo(f"Error: {said}", err=True)
        sys.exit(1)
