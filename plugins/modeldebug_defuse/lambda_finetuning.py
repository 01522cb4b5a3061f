"""Correction: finetuning on the training data and the failures at once (AAAI section 3.3, equation 1).

F(D, D_f) = L(D) + lambda * L(D_f), L the cross-entropy; one corrected classifier for each lambda.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from modeldebug import (
    Classifier,
    Context,
    CorrectedState,
    Corrector,
    LabelledImages,
    Splits,
    isolated_global_rng,
    spawn,
    train_network,
)

from .settings import LambdaConfig


class LambdaFinetuning(Corrector[LambdaConfig]):
    """Of each lambda's epochs the one with the highest validation accuracy is taken (AAAI section 4.1). Where there are
    workers, several lambdas are tried at once.

    Raises:
        PluginError: finetuning diverged.

    >>> from modeldebug.testing import known_problem
    >>> k, corrector = known_problem(), LambdaFinetuning(LambdaConfig(lambdas=(1.0,), epochs=1), known_problem().spec)
    >>> failures = LabelledImages(k.failures(per_ball=8).x, k.failures(per_ball=8).expected)
    >>> [s.name for s in corrector.correct(k.classifier, k.splits, failures, Context.quiet(seed=0))]
    ['lambda=1']
    """

    def _correct(
        self, classifier: Classifier, data: Splits, failures: LabelledImages | None, context: Context
    ) -> Sequence[CorrectedState]:
        lambdas = (0.0,) if failures is None else self.config.lambdas
        seed, n = spawn(context.rng), len(lambdas)
        parts = [(strength, context.part(i, n, f"lambda {strength:g}")) for i, strength in enumerate(lambdas)]
        states: dict[int, CorrectedState] = {}
        for i, state in context.executor.each(_finetuned, parts, (self, classifier, data, failures, seed)):
            states[i] = state
            context.progress(len(states) / n, f"{state.name} done")
        return [states[i] for i in range(n)]

    def finetune(
        self, model: Classifier, data: Splits, failures: LabelledImages | None, strength: float, context: Context
    ) -> CorrectedState:
        """The best epoch of one lambda; `model` is changed in place."""
        config, rng = self.config, torch.Generator().manual_seed(context.rng.initial_seed())
        norms = [m for m in model.module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]

        def loss(x: Tensor, y: Tensor, step: int) -> Tensor:
            if failures is None:
                return nn.functional.nll_loss(model.log_probs(x), y)
            rows = torch.randint(len(failures), (config.batch_size,), generator=rng)
            images, labels = failures.x[rows].to(x.device), failures.labels[rows].to(x.device)
            if norms:  # batch statistics are those of the training data, so that lambda -> 0 is the control
                fitted = model.log_probs(x)
                _train(norms, False)
                fixed = model.log_probs(images)
                _train(norms, True)
            else:  # one pass for both: a third less time on small networks
                answers = model.log_probs(torch.cat([x, images]))
                fitted, fixed = answers[: len(x)], answers[len(x) :]
            return nn.functional.nll_loss(fitted, y) + strength * nn.functional.nll_loss(fixed, labels)

        best, weights = -1.0, model.state_dict()

        def after_epoch(epoch: int) -> None:
            nonlocal best, weights
            accuracy = model.accuracy(data.validation)
            if accuracy >= best:
                best, weights = accuracy, {k: v.clone() for k, v in model.state_dict().items()}

        train_network(
            model.module,
            loss,
            data.train,
            optimizer=torch.optim.Adam(model.module.parameters(), lr=config.learning_rate, fused=True),
            epochs=config.epochs,
            batch_size=config.batch_size,
            context=context,
            cosine=True,
            after_epoch=after_epoch,
        )
        return CorrectedState(f"lambda={strength:g}", strength, weights)


def _finetuned(
    shared: tuple[LambdaFinetuning, Classifier, Splits, LabelledImages | None, int], one: tuple[float, Context]
) -> CorrectedState:
    """The state of one lambda; here, or in a worker."""
    (corrector, classifier, data, failures, seed), (strength, context) = shared, one
    context.rng.manual_seed(seed)  # every lambda sees the same batches
    with isolated_global_rng(seed):  # and drops out the same units: only lambda differs
        return corrector.finetune(classifier.copy(), data, failures, strength, context)


def _train(modules: Sequence[nn.Module], mode: bool) -> None:
    for module in modules:
        module.train(mode)
