"""Scenes of simple objects, rendered: a generator whose images have a known truth (Bayes-TrEx on CLEVR)."""
