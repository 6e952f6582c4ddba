"""Reads the case files in `cases/`: for one unit, what is asked, what was replied, which facts, changes and actions follow.

A case has `case` (its promise in one sentence), `declared` (the arguments that the test's own builder turns into a
unit), `replies` (data, or `[code, error]` for a failed question), and any of: `queries`, `facts` (null: it does not
exist), `unreadable` (the message), `changes`, `actions`, `disruption`, `forbidden`, `down`, `lost`, `blocked`,
`remarks`. What a case does not mention is not looked at. A query to another target than the unit's own has that as a third
part. `!secret TEXT` is a secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from reconciler.core.diff import diff
from resources.contract import Reply, SecretText, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.mark import ParameterSet

    from resources.contract import Facts, Query, Unit

CASES = Path(__file__).parent / "cases"


class CaseLoader(yaml.SafeLoader):
    """YAML with secrets."""


CaseLoader.add_constructor("!secret", lambda _, node: SecretText(str(node.value)))


def cases(name: str) -> list[ParameterSet]:
    """Return the cases of a file as parameters, called by their sentences."""
    # a loader of our own over SafeLoader: only files of this folder are read
    found = yaml.load((CASES / f"{name}.yaml").read_text(), CaseLoader)  # noqa: S506
    return [pytest.param(case, id=case["case"]) for case in found]


def check(case: dict[str, Any], build: Callable[[dict[str, Any]], Unit]) -> None:
    """Walk through one case."""
    unit = build(case["declared"])
    if "queries" in case:
        assert [_asked(query) for query in unit.queries()] == case["queries"]
    replies = tuple(_reply(reply) for reply in case["replies"])
    if "unreadable" in case:
        assert _refusal(unit, replies) == case["unreadable"]
        return
    facts = unit.observe(replies)
    if "facts" in case:
        assert _open(facts) == _tuples(case["facts"])
    changes = diff(unit, facts)
    if "changes" in case:
        assert [[change.field, change.before, change.after] for change in changes] == [
            [field, _value(before), _value(after)] for field, before, after in case["changes"]
        ]
    if "actions" in case:
        actions = unit.actions(changes, facts) if changes else ()
        assert [[action.op, dict(action.args)] for action in actions] == case["actions"]
    disruption = unit.disruption(changes, facts) if changes else None
    if "disruption" in case:
        assert (disruption.service if disruption else None) == case["disruption"]
    if "forbidden" in case:
        assert disruption is not None
        assert disruption.forbidden == case["forbidden"]
    assert unit.down(facts) == case.get("down", unit.down(facts))
    assert [str(target) for target in unit.lost(facts)] == case.get("lost", [str(target) for target in unit.lost(facts)])
    assert unit.blocked(facts) == case.get("blocked", unit.blocked(facts))
    assert list(unit.remarks(facts)) == case.get("remarks", list(unit.remarks(facts)))


def _asked(query: Query) -> list[Any]:
    return [query.op, dict(query.args), *([str(query.target)] if query.target else [])]


def _reply(data: Any) -> Reply:
    return Reply({}, *data) if isinstance(data, list) else Reply(data)


def _refusal(unit: Unit, replies: tuple[Reply, ...]) -> str:
    try:
        unit.observe(replies)
    except UnreadableError as error:
        return str(error)
    return "(it was read)"


def _open(facts: Facts | None) -> dict[str, Any] | None:
    """Return the facts that are compared."""
    return None if facts is None else {name: value for name, value in facts.items() if not name.startswith("@")}


def _tuples(facts: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if facts is None else {name: _value(value) for name, value in facts.items()}


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
