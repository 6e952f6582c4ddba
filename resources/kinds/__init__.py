"""Kinds: what people write. A kind may import units, never another kind."""
