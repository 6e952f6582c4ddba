"""MEAN: what a thing is. Kinds become units; units know how to ask for themselves and how to read the answer.

Not in this room: input or output of any sort, a clock, logging, asyncio, and anything from `reconciler`.
Import order: contract, then cloud and endpoints, then units, then kinds and rules, then adoption, which goes the other
way: from what runs to documents. Siblings below `kinds/`, `units/` and `rules/` never import each other.
"""
