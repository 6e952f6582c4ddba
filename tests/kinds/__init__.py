"""Kinds: what documents mean, and what is said about wrong ones."""
