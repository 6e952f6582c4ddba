"""Adoption: from what runs to the documents that say so, the kinds' compiling the other way round.

A module per kind reads what was seen (`seen`, sorted out by `survey`) into documents with notes on what was guessed
(`draft`). Not in this room: asking, writing files, and what compiling means; that stays with the kinds.
"""
