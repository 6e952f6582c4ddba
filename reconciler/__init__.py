"""DRIVE and the map of the house.

Four rooms, one verb each. A datum walks through them once:

    desired/*.yaml -> load -> compile -> graph -> OBSERVE -> diff -> plan -> policy -> APPLY -> fold -> status

Lower case is pure; upper case does I/O. There are exactly two holes to the outside in a pass.

    resources/            MEAN    what a thing is: kinds, units, rules, releases
    reconciler/core/      DECIDE  what has to change
    reconciler/targets/   TOUCH   how to reach the world
    reconciler/*.py, cli/ DRIVE   when, how often, how many

Not in this room: a protocol, a decision about what has to change.
"""
