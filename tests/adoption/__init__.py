"""Adoption: what is written of a running cloud, and that it means what runs."""
