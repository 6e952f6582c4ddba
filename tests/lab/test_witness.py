"""What the stream and its witness read in files, without any lab."""

from __future__ import annotations

from tests.bench.latency import part
from tests.lab.documents import with_option
from tests.lab.witness import foreign_lines

TEXT = """\
# a remark
[DEFAULT]
ours = 1
 and on
theirs = 2
[other]
ours = 3
"""


def test_what_is_foreign_is_all_but_the_options_that_are_ours() -> None:
    """An option of ours is so in its section only, with the lines on which its value goes on."""
    owned = frozenset({("DEFAULT", "ours")})
    assert foreign_lines(TEXT, owned) == ["# a remark", "[DEFAULT]", "theirs = 2", "[other]", "ours = 3"]


def test_a_hand_changes_one_option() -> None:
    """The value of that option in that section is another one; all else stays."""
    assert with_option(TEXT, "other", "ours", 4) == TEXT.replace("ours = 3", "ours = 4")


def test_parts_are_by_nearest_rank() -> None:
    """Of a hundred values the 99th part is the second largest; of three it is the largest."""
    assert part([float(value) for value in range(1, 101)], 0.99) == 99.0
    assert part([3.0, 1.0, 2.0], 0.99) == 3.0
    assert part([3.0, 1.0, 2.0], 0.5) == 2.0
