"""Tests of the drive: passes over a small world in memory, on a clock that jumps."""
