"""The fake target keeps the promises of a target."""

from __future__ import annotations

import pytest

from reconciler.targets import TargetError
from reconciler.targets.fake import FakeTarget
from resources.contract import Action, Query, Reply, TargetId


async def test_a_function_is_a_target() -> None:
    """Queries and actions are answered by the function and remembered."""
    target = FakeTarget(lambda said: Reply({"op": said.op}))
    assert await target.ask((Query("a", {}), Query("b", {}))) == (Reply({"op": "a"}), Reply({"op": "b"}))
    assert await target.do(Action("c", {})) == Reply({"op": "c"})
    await target.close()
    assert (target.asked, target.done, target.closed) == ([(Query("a", {}), Query("b", {}))], [Action("c", {})], True)


async def test_no_answer_is_an_error() -> None:
    """The function may say that nobody answers."""

    def nobody(_: Query | Action) -> Reply:
        raise TargetError(TargetId("ssh", "a"), "nobody there")

    with pytest.raises(TargetError, match="nobody there"):
        await FakeTarget(nobody).ask((Query("a", {}),))
