"""Tests of the pure core: no fake, no wait, values in and values out."""
