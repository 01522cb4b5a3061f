"""Defuse (Slack et al., AAAI version): beta-VAE, Beta-noise search, DP-GMM, finetuning with lambda."""
