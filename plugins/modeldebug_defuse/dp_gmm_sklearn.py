"""Distillation by scikit-learn's BayesianGaussianMixture, as in the paper (AAAI section 3.2): slow, and the reference
for `dp-gmm`.
"""

from __future__ import annotations

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture
from torch import Tensor

from .mixture import Fit, MixtureClusterer
from .variational import Posterior, Prior
from .whitened import Whitened


class DpGmmSklearn(MixtureClusterer):
    """The same model, prior, settings and meaning of `tolerance` as `dp-gmm`, fitted by scikit-learn from one start.

    >>> from modeldebug import Context
    >>> from modeldebug.testing import known_problem
    >>> from modeldebug_defuse.settings import DpGmmConfig
    >>> clusterer = DpGmmSklearn(DpGmmConfig(components=4, min_weight=0.1), known_problem().spec)
    >>> clustering = clusterer.fit(known_problem().failures(per_ball=40), Context.quiet(seed=0))
    >>> clustering.converged, float(clustering.weights.sum()) <= 1.001
    (True, True)
    """

    def fit_mixture(self, codes: Tensor, seed: int) -> Fit:
        config, components = self.config, min(self.config.components, len(codes))
        prior = Prior.of(codes, components, config.regularisation)
        if len(codes) == 1:  # scikit-learn asks for two codes; for one there is nothing to iterate
            data = Whitened(codes, prior)
            return Fit(data.in_codes(data.update(data.of_labels(torch.tensor([0]), 1))), True, 0)
        mixture = BayesianGaussianMixture(
            n_components=components,
            covariance_type="full",
            weight_concentration_prior_type="dirichlet_process",
            covariance_prior=prior.covariance.numpy(),
            max_iter=config.max_iter,
            tol=config.tolerance * len(codes),  # scikit-learn's is the change of the whole bound
            reg_covar=config.regularisation,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # reported in the clustering's note instead
            mixture.fit(codes.numpy())
        return Fit(posterior_of(mixture), bool(mixture.converged_), int(mixture.n_iter_))


def posterior_of(mixture: BayesianGaussianMixture) -> Posterior:
    """What scikit-learn has fitted, as tensors."""
    a, b = mixture.weight_concentration_
    arrays = (a, b, mixture.mean_precision_, mixture.means_, mixture.degrees_of_freedom_, mixture.covariances_)
    return Posterior(*map(torch.from_numpy, arrays))
