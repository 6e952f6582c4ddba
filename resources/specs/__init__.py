"""Specs: what people write, as models; every field explains itself. Meaning is in `kinds`, rules across them in `rules`."""
