"""The training loops of stage 1 and stage 2, which all methods share."""

from harness.training.checkpoint import pretrained_from_bytes, pretrained_to_bytes
from harness.training.stage1 import Stage1Result, pretrain
from harness.training.stage2 import Stage2Result, train
from harness.training.training_data import Normalise, TrainingData

VERSION = "2"  # part of every job's key; raise it when a change of the loops changes results

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
