"""A generative adversarial network as the generator (Radford et al. 2016; Bayes-TrEx table 6)."""
