"""The settings of fine-tuning: what all its tasks have in common, and what each has of its own."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from corpuskit.train.settings.settings import RunSettings, TrainSettings, _Group
from corpuskit.train.settings.values import listed

Names = Annotated[tuple[str, ...], BeforeValidator(listed)]


class Adapting(_Group):
    """What of the model learns.

    Attributes:
        last_layers: only the last so many blocks of each stack learn, with the norm behind them and what the
            task adds; 0 for nothing but what the task adds; without it all weights do.
        lora_rank: in place of the weights, products of two matrices of this rank beside them learn
            (arXiv:2106.09685); 0 for none.
        lora_alpha: what the product is multiplied by is lora_alpha / lora_rank; twice the rank without it.
        lora_targets: the matrices that get one, of q, k, v, o, gate, up, down.
    """

    last_layers: int | None = Field(default=None, ge=0)
    lora_rank: int = Field(default=0, ge=0)
    lora_alpha: float | None = Field(default=None, gt=0)
    lora_targets: Names = ("q", "k", "v", "o")


class Reading(_Group):
    """What is read of the data.

    Attributes:
        epochs: how often all examples are read, where neither steps nor minutes are given.
        context: tokens of a row at most; the model's without it.
        validation: a file of its own to measure on, or a share of the data; by default a tenth.
        test: the same, measured once, at the end; by default none.
        split_seed: which texts a share holds out; another one than `seed`, so that runs of several seeds are
            measured on the same.
        delimiter, header, encoding: of CSV files; found without them.
    """

    epochs: float | None = Field(default=None, gt=0)
    context: int | None = Field(default=None, ge=2)
    validation: str | None = None
    test: str | None = None
    split_seed: int = Field(default=0, ge=0, lt=2**63)
    delimiter: str | None = None
    header: bool | None = None
    encoding: str | None = None


class TuneSettings(RunSettings, Reading, Adapting):
    """Settings of fine-tuning, whatever for. Those that are None are chosen by what it is for.

    Attributes:
        dropout: while training; of adapters, where these learn.
    """

    LISTED: ClassVar[str] = "corpuskit finetune --settings"

    optimizer: Literal["muon", "adamw"] = "adamw"
    weight_decay: float | None = Field(default=0.01, ge=0)
    patience: int = Field(default=0, ge=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class ClassifySettings(TuneSettings):
    """Settings of `classify`: one or several labels of a text or of a pair of texts.

    Attributes:
        text, pair, label: columns, by name or as #3; found without them.
        several: what stands between several labels of one cell; without it a text has one label.
        pooling: what the classes are told by: the "last" token that a decoder reads, the "mean" of all, or
            the "first".
        long_texts: what is kept of a text longer than the context: its "start", its "end", or "both", half of
            each.
        class_weights: "balanced" lets each label weigh as much as any other, however rare it is; of several
            labels a text, the texts with a label as much as those without it.
        label_smoothing: share of a target that is spread over all labels.
        teacher: a model that was fine-tuned for the same labels, whose answers to the texts are learnt too
            (arXiv:1503.02531); it is asked once, before the first step.
        teacher_share: of the distance to these answers in the loss; the labels have the rest.
        teacher_temperature: by which the logits of both are divided; the distance then counts its square.
        choose: the figure by which the kept weights are chosen.
    """

    text: str | None = None
    pair: str | None = None
    label: str | None = None
    several: str | None = None
    pooling: Literal["last", "mean", "first"] | None = None
    long_texts: Literal["start", "end", "both"] = "start"
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    teacher: str | None = None
    teacher_share: float = Field(default=0.5, ge=0, le=1)
    teacher_temperature: float = Field(default=1.0, gt=0)
    choose: str = "loss"


class InstructSettings(TuneSettings):
    """Settings of `instruct`: answers in conversations, and what follows a prompt.

    Attributes:
        messages, prompt_column, completion, instruction, input, output: columns, by name or as #3; found
            without them.
        pack: several examples share a row, none of which sees another.
    """

    messages: str | None = None
    prompt_column: str | None = None
    completion: str | None = None
    instruction: str | None = None
    input: str | None = None
    output: str | None = None
    pack: bool = True

    @property
    def columns(self) -> dict[str, str | int]:
        """The columns that were given, by what they are."""
        names = {"messages": self.messages, "prompt": self.prompt_column, "completion": self.completion}
        names |= {"instruction": self.instruction, "input": self.input, "output": self.output}
        return {name: column for name, column in names.items() if column is not None}


class TagSettings(TuneSettings):
    """Settings of `tag`: a label for each word.

    Attributes:
        word, tag: columns, by number from 1, or by name in tables; found without them.
        scheme: of the labels: IOB1, IOB2, BIOES, BILOU or plain; found without it.
        mode: how spans are counted: "conlleval" takes an I- without a B- before it for a beginning, "strict"
            does not.
        choose: the figure by which the kept weights are chosen.
    """

    word: str | None = None
    tag: str | None = None
    scheme: str | None = None
    mode: Literal["conlleval", "strict"] = "conlleval"
    choose: str = "loss"


class PreferSettings(TuneSettings):
    """Settings of `prefer`: of two answers the better one (arXiv:2305.18290).

    Attributes:
        beta: how much it costs to leave the model that is begun with.
        kind: "dpo" or "ipo".
        label_smoothing: share of the pairs that are taken to be the wrong way round.
        chosen, rejected, prompt_column: columns; found without them.
    """

    beta: float = Field(default=0.1, gt=0)
    kind: Literal["dpo", "ipo"] = "dpo"
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    chosen: str | None = None
    rejected: str | None = None
    prompt_column: str | None = None

    @property
    def columns(self) -> dict[str, str | int]:
        """The columns that were given, by what they are."""
        names = {"chosen": self.chosen, "rejected": self.rejected, "prompt": self.prompt_column}
        return {name: column for name, column in names.items() if column is not None}


class ContinueSettings(TrainSettings, Adapting):
    """Settings of `lm`: pretraining that goes on, on texts of one's own or on another run.

    Attributes:
        epochs: how often the texts are read, where neither steps nor minutes are given; once without it.
        validation: texts to measure on; without them the last tenth of each document of 1,000 tokens or more,
            and with 0 nothing.
    """

    LISTED: ClassVar[str] = "corpuskit finetune --settings"

    epochs: float | None = Field(default=None, gt=0)
    validation: str | None = None
