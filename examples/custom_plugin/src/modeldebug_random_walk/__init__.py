"""A modeldebug plugin with one searcher: Gaussian walks from training codes."""
