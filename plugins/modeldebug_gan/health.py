"""Whether a GAN has learnt anything, from what was seen in training."""

from __future__ import annotations

from modeldebug import Health

from .training import Diary, described

TOO_ALIKE = 0.5  # diversity below which a decoder shows few images; real images of one class alone have .57 to 1
TOO_SURE = 0.98  # D(x) - D(G(z)) from which on a decoder has nothing to learn from
FOR_EPOCHS = 3  # in a row, the last ones

ADVICE = (
    "Train it for longer (generator.epochs) where its diversity was still rising; else with another seed, a lower "
    "generator.learning_rate, or generator.smoothing=0.1."
)


def health_of(diary: Diary, smoothing: float) -> Health:
    """What to say of the GAN, with a warning where it has collapsed or its discriminator was saturated.

    >>> seen = {"discriminator_loss": 0.0, "generator_loss": 9.0, "real": 1.0, "fake": 0.0, "diversity": 0.1}
    >>> diary = Diary()
    >>> diary.epochs.append(seen)
    >>> health_of(diary, 0.0).warning[:21]
    'the GAN has collapsed'
    """
    last, found = diary.epochs[-1], []
    if last["diversity"] < TOO_ALIKE:
        found.append(
            f"the GAN has collapsed, or has not begun to learn: its images lie {last['diversity']:.2f} times as far "
            f"from each other as training images do (at least {TOO_ALIKE} was expected), so few kinds can be found."
        )
    if all(epoch["real"] - epoch["fake"] > TOO_SURE - smoothing for epoch in diary.epochs[-FOR_EPOCHS:]):
        found.append(
            f"the GAN's discriminator was saturated at the end (D(x) {last['real']:.2f}, D(G(z)) {last['fake']:.2f}): "
            "the generator has no longer learnt from it, and its images can be told from real ones."
        )
    figures = {"epochs": diary.epochs, "inverter": diary.inverter}
    return Health(described(last), " ".join([*found, ADVICE]) if found else None, figures)
