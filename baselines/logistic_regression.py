"""Logistic regression on features that are not trained further, also known as a linear probe."""

from __future__ import annotations

import warnings

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from baselines.probe import ProbeHead, ProbeOptions, Probing

ITERATIONS = 1000


class LogisticRegressionOptions(ProbeOptions):
    """Stage 2 of logistic regression."""

    c: float = Field(default=1.0, gt=0, alias="C", description="C, the inverse of the strength of the L2 penalty")


class LogisticRegressionHead(ProbeHead):
    """A linear layer, fitted by scikit-learn."""

    def __init__(self, width: int, n_classes: int, c: float):
        from sklearn.linear_model import LogisticRegression as Solver  # here, so that no fit is timed with it

        super().__init__(width, n_classes)
        self.solver = Solver(C=c, max_iter=ITERATIONS)
        self.linear = nn.Linear(width, n_classes)

    @override
    def logits(self, features: Tensor) -> Tensor:
        return self.linear(features)

    @override
    def fit_standardised(self, features: Tensor, label: Tensor) -> None:
        """Classes without a labelled sample get the bias −∞. With one class, nothing is to be fitted."""
        present = torch.unique(label)
        weight, bias = torch.zeros_like(self.linear.weight), torch.full_like(self.linear.bias, -torch.inf)
        bias[present] = 0
        if len(present) > 1:
            with warnings.catch_warnings():  # labels that are nearly as few as classes are what this harness is about
                warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
                solver = self.solver.fit(features.double().numpy(force=True), label.numpy(force=True))
            coefficients, intercepts = (torch.from_numpy(x).to(weight) for x in (solver.coef_, solver.intercept_))
            if len(present) == 2:  # scikit-learn has the log-odds of the second class
                coefficients = torch.cat((-coefficients, coefficients)) / 2
                intercepts = torch.cat((-intercepts, intercepts)) / 2
            weight[present], bias[present] = coefficients, intercepts
        with torch.no_grad():
            self.linear.weight.copy_(weight)
            self.linear.bias.copy_(bias)


class LogisticRegression(Probing):
    """Multinomial logistic regression with an L2 penalty, on features that are standardised on the labelled samples.

    It is scikit-learn's, with the solver L-BFGS, which needs no learning rate and draws nothing at random.
    """

    name = "logistic-regression"
    title = "Logistic regression"
    Stage2 = LogisticRegressionOptions

    @override
    def build_head(self, width: int, n_classes: int, options: LogisticRegressionOptions) -> ProbeHead:
        return LogisticRegressionHead(width, n_classes, options.c)
