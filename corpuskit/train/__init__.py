"""The built-in trainer: from token shards to a language model and its text. Only this package needs torch."""

from corpuskit.train import threads  # noqa: F401 - must come before anything that imports torch
from corpuskit.train.generate.generate import LanguageModel, Sample
from corpuskit.train.generate.sampling import Sampling
from corpuskit.train.hub.export import ExportResult, export_model
from corpuskit.train.hub.importing import ImportResult, import_model
from corpuskit.train.model.transformer import ModelSettings, Transformer
from corpuskit.train.result import TrainResult
from corpuskit.train.settings.resolve import PRESETS
from corpuskit.train.settings.settings import TrainSettings
from corpuskit.train.train import train_model
from corpuskit.train.verify import ResumeProof, verify_resume

__all__ = [
    "PRESETS",
    "ExportResult",
    "ImportResult",
    "LanguageModel",
    "ModelSettings",
    "ResumeProof",
    "Sample",
    "Sampling",
    "TrainResult",
    "TrainSettings",
    "Transformer",
    "export_model",
    "import_model",
    "train_model",
    "verify_resume",
]
