"""The loops of stage 1 and stage 2, the same for all methods."""

from harness.training.checkpoint import pretrained_from_bytes, pretrained_to_bytes
from harness.training.stage1 import Stage1Result, pretrain
from harness.training.stage2 import Stage2Result, train
from harness.training.training_data import Normalise, TrainingData

VERSION = "1"  # of the loops; raise when a change of them changes results: it is in every job's key

__all__ = [
    "VERSION",
    "Normalise",
    "Stage1Result",
    "Stage2Result",
    "TrainingData",
    "pretrain",
    "pretrained_from_bytes",
    "pretrained_to_bytes",
    "train",
]
