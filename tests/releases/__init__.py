"""Tests of the release data and of how options are written by it."""
