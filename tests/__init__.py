"""Tests: they mirror the rooms; `tests/lab` is a real cloud on one machine."""
