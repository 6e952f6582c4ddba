"""Rules across resources: small pure functions, each with its own name and test."""
