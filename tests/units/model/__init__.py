"""Small models of the targets: dictionaries that answer the questions and carry out the actions of the real ones.

They speak the same words (`test_properties.py` compares them with those of the targets) and know just enough of the far side
to tell whether an action made what it should: a masked service does not start, a write is compared with what was read,
Pacemaker restarts what got another parameter. What can be borrowed from the targets is: the CIB, which is text.
"""
