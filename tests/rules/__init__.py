"""Rules across resources, each with what it refuses and what it lets pass."""
