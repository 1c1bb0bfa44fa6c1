"""The built-in trainer: from token shards to a language model and its text. Only this package needs torch."""

from corpuskit.train import _threads  # noqa: F401 - must come before anything that imports torch
from corpuskit.train.export import ExportResult, export_model
from corpuskit.train.generate import LanguageModel, Sample, Sampling
from corpuskit.train.importing import ImportResult, import_model
from corpuskit.train.model import ModelSettings, Transformer
from corpuskit.train.pretrain import train
from corpuskit.train.settings import PRESETS, TrainSettings
from corpuskit.train.summary import TrainResult
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
    "train",
    "verify_resume",
]
