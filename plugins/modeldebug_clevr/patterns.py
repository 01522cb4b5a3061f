"""Groups failing scenes by the pattern of attributes that explains them, by the right answer, and by place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from modeldebug_defuse.dp_gmm import DpGmm
from modeldebug_defuse.settings import DpGmmConfig
from modeldebug_defuse.variational import log_probabilities
from torch import Tensor

from modeldebug import Clusterer, Clustering, Context, Failures, PluginError, spawn

from .explaining import explanations, summary
from .objects import LATENT, MOST, ROTATION, SHAPES, Pattern, X, Y, unpacked
from .scenes import HALF, STEP, TURN, Scenes
from .settings import PatternsConfig

ANY = Scenes(shapes=SHAPES, least=0, most=MOST)
TRIES = 100  # scenes that are made up until one is valid; then the member that it was made from stands for it
JITTER = 0.5  # times the deviations of the paper's random walk: how far objects are moved that nothing is known about
OFF = 0.5  # a cluster whose mean is off the floor's middle by so many of the prior's deviations is named by its place
EDGE = 1e-4  # nearer to a wall than this share of the floor counts as so near


@dataclass(frozen=True, eq=False)
class _Cluster:
    """Members of a cluster, and where the matching one of their objects is.

    Attributes:
        name: in words.
        rows: (m,) int64, of the failures.
        slots: (m,) int64, which object matches; -1 where no pattern does.
        mean, covariance: (3,) and (3, 3) float64, of its coordinates.
        cut: where the circle of rotations is cut open, in turns.
    """

    name: str
    rows: Tensor
    slots: Tensor
    mean: Tensor
    covariance: Tensor
    cut: float


class Patterns(Clusterer[PatternsConfig]):
    """Clusters of failing scenes that a pattern of attributes explains, such as "blue cylinders".

    Codes of scenes have discrete parts, which no mixture of Gaussians fits. So failures are first grouped by the
    pattern that explains them (`explanations`: failing scenes hold a match oftener than scenes of the prior with as
    many objects do), the strongest first, and what no pattern explains is "other scenes". A region gets one label (AAAI
    section 4.1), so each group is split by the right answer. Within a pattern and an answer the continuous latents of
    the matching object, the first one in the code if there are several, are clustered by the default DP-GMM (AAAI
    section 3.2), in the coordinates in which the prior is a standard normal distribution: a pattern that fails wherever
    the object is stays one cluster. Rotations are cut open opposite to their mean.

    Clusters of the first pattern come first, larger ones before smaller ones; then those of the second; last the
    others. Failures in parts of fewer than `least` are noise, as are codes that stand for no valid scene.

    A sample is a member with its matching object moved to a draw from the cluster's Gaussian, and all others moved a
    little, by half the deviations of the paper's random walk (Bayes-TrEx, section 4.2), until the scene is valid.
    What objects there are, and so the right answer, stays.

    Raises:
        PluginError: the failures' codes are no scenes.

    >>> from modeldebug import DataSpec
    >>> from modeldebug_clevr.settings import PatternsConfig
    >>> Patterns(PatternsConfig(), DataSpec((3, 64, 64), ("0 cubes", "1 or more cubes"))).named(Pattern(), 1)
    'things (right answer: 1 or more cubes)'
    """

    def named(self, pattern: Pattern | None, answer: int) -> str:
        """What the failures of a pattern and a right answer are called."""
        words = "other scenes" if pattern is None else pattern.plural
        return words if answer < 0 else f"{words} (right answer: {self.spec.classes[answer]})"

    def _fit(self, failures: Failures, context: Context) -> Clustering:
        z = self._scenes(failures)
        rows = ANY.valid(z).nonzero()[:, 0]
        found = explanations(
            z[rows],
            attributes=self.config.attributes,
            least=self.config.least,
            most=self.config.max_patterns,
        )
        groups: list[tuple[Pattern | None, Tensor]] = [(one.pattern, rows[one.rows]) for one in found]
        explained = torch.cat([rows[:0], *(some for _, some in groups)])
        groups.append((None, rows[~torch.isin(rows, explained)]))
        clusters: list[_Cluster] = []
        converged = True
        for i, (pattern, some) in enumerate(groups):
            parts: list[_Cluster] = []
            for answer in sorted(set(failures.expected[some].tolist())):
                here = some[failures.expected[some] == answer]
                if len(here) < self.config.least:
                    continue
                if pattern is None:
                    parts.append(_anywhere(self.named(None, answer), here))
                    continue
                placed, done = self._placed(self.named(pattern, answer), z, here, pattern, spawn(context.rng))
                parts += placed
                converged &= done
            clusters += sorted(parts, key=lambda part: -len(part.rows))
            context.progress((i + 1) / len(groups), f"{len(clusters)} clusters")
        return _clustering(z, clusters, converged, summary(found, len(rows)))

    def _scenes(self, failures: Failures) -> Tensor:
        z = failures.z
        if z is None or z.shape[1] != LATENT:
            raise PluginError(
                "the failures' codes are no scenes",
                got="no codes" if z is None else f"{z.shape[1]} numbers",
                expected=f"{LATENT}, of {MOST} objects",
                fix="take a generator of scenes, such as clevr:renderer, or another clusterer, such as defuse:dp-gmm",
                plugin=self.name,
            )
        return z

    def _placed(self, name: str, z: Tensor, rows: Tensor, pattern: Pattern, seed: int) -> tuple[list[_Cluster], bool]:
        """Clusters of failures with one right answer, by where the matching object is; and whether the fit
        converged."""
        slots = pattern.matches(z[rows]).int().argmax(1)
        objects = unpacked(z[rows])[torch.arange(len(rows)), slots]
        cut = _opposite(objects[:, ROTATION])
        where = _coordinates(objects, cut)
        for components in (self.config.components, 1):
            fit = DpGmm(DpGmmConfig.model_validate({"components": components}), self.spec).fit_mixture(where, seed)
            belongs = log_probabilities(where, fit.posterior).argmax(1)
            large = (belongs.bincount() >= self.config.least).nonzero()[:, 0].tolist()
            if large:
                break
        found = []
        for k in large:
            mine, place = belongs == k, ""
            mean, covariance = fit.posterior.means[k], fit.posterior.covariances[k]
            if len(large) > 1 or float(mean[:2].abs().max()) > OFF:
                x, y = (float(objects[mine, column].median()) for column in (X, Y))
                place = f", around x {x:.1f}, y {y:.1f}"
            found.append(_Cluster(name + place, rows[mine], slots[mine], mean, covariance, cut))
        return found, fit.converged

    def _sample(
        self, clustering: Clustering, cluster: int, n: int, tau: float, rng: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        given = clustering.parameters
        members = (given["cluster"] == cluster).nonzero()[:, 0]
        members = members[torch.randint(len(members), (n,), generator=rng)]
        z, slots, missing = given["scenes"][members], given["slots"][members], torch.arange(n)
        factor = torch.linalg.cholesky(tau * given["covariances"][cluster])
        for _ in range(TRIES):
            there = unpacked(_jittered(z[missing], tau**0.5 * JITTER, rng))
            noise = torch.randn(len(missing), 3, generator=rng, dtype=torch.float64)
            place = _places(given["means"][cluster] + noise @ factor.T, float(given["cuts"][cluster]))
            moved = (slots[missing] >= 0).nonzero()[:, 0]
            there[moved[:, None], slots[missing][moved, None], torch.tensor([X, Y, ROTATION])] = place[moved]
            scenes = there.view(-1, LATENT)
            valid = ANY.valid(scenes)
            z[missing[valid]] = scenes[valid]
            missing = missing[~valid]
            if not len(missing):
                break
        return z, None


def _anywhere(name: str, rows: Tensor) -> _Cluster:
    """A cluster with no pattern, and so no matching object."""
    zeros, eye = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    return _Cluster(name, rows, torch.full_like(rows, -1), zeros, eye, 0.0)


def _clustering(z: Tensor, clusters: list[_Cluster], converged: bool, words: str) -> Clustering:
    """What the core is handed."""
    sizes = torch.tensor([len(cluster.rows) for cluster in clusters], dtype=torch.int64)
    rows = torch.cat([torch.empty(0).long(), *(cluster.rows for cluster in clusters)])
    of = torch.arange(len(clusters)).repeat_interleave(sizes)
    assignment = torch.full((len(z),), -1)
    assignment[rows] = of
    return Clustering(
        weights=sizes / len(z),
        assignment=assignment,
        parameters={
            "scenes": z[rows],
            "cluster": of,
            "slots": torch.cat([rows[:0], *(cluster.slots for cluster in clusters)]),
            "means": torch.stack([cluster.mean for cluster in clusters] or [torch.empty(0)]),
            "covariances": torch.stack([cluster.covariance for cluster in clusters] or [torch.empty(0)]),
            "cuts": torch.tensor([cluster.cut for cluster in clusters], dtype=torch.float64),
        },
        converged=converged,
        note=f"{words}; {int((assignment < 0).sum())} of {len(z)} failures are in no cluster",
        names=tuple(cluster.name for cluster in clusters),
    )


def _opposite(rotation: Tensor) -> float:
    """The rotation, in turns, that is opposite to the mean of others (n,)."""
    angle = 2 * math.pi * rotation.double()
    return float(torch.atan2(angle.sin().mean(), angle.cos().mean())) / (2 * math.pi) - 0.5


def _coordinates(objects: Tensor, cut: float) -> Tensor:
    """Place and rotation of objects (n, 8) in coordinates (n, 3) float64 that are normal in the prior."""
    objects = objects.double()
    floor = (objects[:, [X, Y]] / HALF + 1) / 2
    shares = torch.cat([floor, ((objects[:, ROTATION] - cut) % 1)[:, None]], 1)
    coordinates: Tensor = torch.special.ndtri(shares.clamp(EDGE, 1 - EDGE))
    return coordinates


def _places(coordinates: Tensor, cut: float) -> Tensor:
    """x, y and rotation (n, 3) float32 of coordinates (n, 3)."""
    shares = torch.special.ndtr(coordinates)
    floor = HALF * (2 * shares[:, :2] - 1)
    return torch.cat([floor.float(), (shares[:, 2:] + cut).float() % 1.0 % 1.0], 1)


def _jittered(z: Tensor, scale: float, rng: torch.Generator) -> Tensor:
    """Scenes (n, 80) with all objects moved a little; those that would leave the floor come back from its edge."""
    objects = unpacked(z.clone())
    for column in (X, Y):
        place = objects[..., column] + scale * STEP * torch.randn(objects.shape[:2], generator=rng)
        objects[..., column] = place.sign() * (HALF - (HALF - place.abs()).abs())
    turned = objects[..., ROTATION] + scale * TURN * torch.randn(objects.shape[:2], generator=rng)
    objects[..., ROTATION] = turned % 1.0 % 1.0
    return objects.view(-1, LATENT)
