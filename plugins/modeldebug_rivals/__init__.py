"""Searchers to compare with: what a search has to beat to be worth its queries."""
