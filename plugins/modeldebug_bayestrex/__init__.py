"""Bayes-TrEx (Booth et al., AAAI 2021): inputs for which a classifier gives the probabilities that one asks for."""
