"""Our models in EleutherAI's lm-eval (`pip install corpuskit[lm-eval]`): its tasks, through our own code.

    import lm_eval
    from lm_eval.tasks import TaskManager
    from corpuskit.train.evaluate.lm_eval import harness_model

    lm_eval.simple_evaluate(
        harness_model("models/sample"), tasks=["news"], task_manager=TaskManager(include_path="tasks")
    )

Likelihoods are those of `log_likelihoods`, texts those of `text_losses`, answers those of `corpuskit eval`. A
task of one's own is read from its YAML and its files, with no net; tasks that lm-eval ships fetch their data.
"""

from __future__ import annotations

import functools
from typing import Any

from corpuskit.errors import SettingError, nearest
from corpuskit.train.evaluate.likelihood import TOKENS_AT_ONCE, check_decoder, log_likelihoods
from corpuskit.train.evaluate.questions.answers import written
from corpuskit.train.evaluate.windows import text_losses
from corpuskit.train.generate.generate import LanguageModel, load_model
from corpuskit.train.generate.sampling import Sampling

_TOKENS = 256
_SAMPLING = ("temperature", "top_k", "top_p", "min_p")
_KNOWN = ("until", "max_gen_toks", "do_sample", *_SAMPLING)


def harness_model(model: str | LanguageModel, **how: Any) -> Any:
    """A model as lm-eval asks it; `how` is told by `Asked`. SettingError where lm-eval is not installed."""
    return model_class()(model, **how)


@functools.cache
def model_class() -> Any:
    """The class of it, which lm-eval then knows by the name "corpuskit" too."""
    try:
        from lm_eval.api.model import LM
        from lm_eval.api.registry import register_model
    except ImportError as error:
        raise SettingError("lm-eval is not installed", remedy="pip install corpuskit[lm-eval]") from error

    class CorpuskitLM(Asked, LM):  # type: ignore[misc] # lm-eval is not there where types are checked.
        def __init__(self, model: str | LanguageModel, **how: Any) -> None:
            LM.__init__(self)
            Asked.__init__(self, model, **how)

    return register_model("corpuskit")(CorpuskitLM)


class Asked:
    """The three questions of lm-eval, answered by a model."""

    def __init__(
        self,
        model: str | LanguageModel,
        device: str | None = None,
        begin: bool = False,
        tokens_at_once: int = TOKENS_AT_ONCE,
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        """Load it; raises SettingError for a model that is no decoder, TrainError for a damaged one.

        Args:
            model: a model folder, or a loaded model.
            device: "auto", "cpu", "cuda" or "mps".
            begin: the end-of-text mark before each context, as a document begins; without it before an empty
                one alone, as lm-eval's own models have it.
            tokens_at_once: positions that are computed together.
            batch_size, max_batch_size: lm-eval gives them; `tokens_at_once` decides.
        """
        loaded = model if isinstance(model, LanguageModel) else load_model(model, device or "auto")
        check_decoder(loaded)
        self.loaded, self.begin, self.tokens_at_once = loaded, begin, tokens_at_once

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """ln p of each continuation behind its context, and whether it is what the model would write."""
        pairs = [request.args for request in requests]
        found = log_likelihoods(self.loaded, pairs, begin=self.begin, tokens_at_once=self.tokens_at_once)
        return [(each.nats, each.greedy) for each in found.found]

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        """ln p of each text behind the end-of-text mark, in windows of the whole context."""
        texts = [request.args[0] for request in requests]
        context = self.loaded.model.settings.context
        losses = text_losses(self.loaded, texts, context, tokens_at_once=self.tokens_at_once)
        return [-loss.nats for loss in losses]

    def generate_until(self, requests: list[Any]) -> list[str]:
        """What the model writes behind each context, up to a string to stop at or the most tokens.

        Raises SettingError for a way of writing that is unknown here.
        """
        said = [""] * len(requests)
        groups: dict[str, list[int]] = {}
        for number, request in enumerate(requests):
            groups.setdefault(repr(sorted(request.args[1].items())), []).append(number)
        for numbers in groups.values():
            how = dict(requests[numbers[0]].args[1])
            if unknown := next((name for name in how if name not in _KNOWN), None):
                raise SettingError(
                    f"generation_kwargs: {unknown} is unknown here", remedy=nearest(unknown, _KNOWN)
                )
            until = how.get("until") or []
            stop = [until] if isinstance(until, str) else list(until)
            drawn = {name: how[name] for name in _SAMPLING if name in how}
            sampling = Sampling(**drawn) if how.get("do_sample") else Sampling(temperature=0)
            prompts = [requests[number].args[0] for number in numbers]
            tokens = int(how.get("max_gen_toks", _TOKENS))
            texts, _ = written(self.loaded, prompts, tokens, stop, sampling, begin=self.begin)
            for number, text in zip(numbers, texts, strict=True):
                said[number] = text
        return said
