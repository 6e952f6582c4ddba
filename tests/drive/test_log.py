"""The log holds no secret, whatever is logged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from reconciler import log
from reconciler.redact import Redactor
from resources.contract import SecretText

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "canary-in-the-log"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Set the log up as it is without options afterwards."""
    yield
    log.set_up(level="warning", as_json=False)


@pytest.mark.parametrize("as_json", [True, False])
def test_no_exception_tells_a_secret(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    """Neither its words nor the values of local names are logged with a secret in them."""
    log.set_up(level="debug", as_json=as_json, redact=Redactor({"it": {"value": SecretText(CANARY)}}))
    password = CANARY
    try:
        raise ValueError(f"the server says {password}")  # noqa: TRY301 - what is raised here is what is logged
    except ValueError:
        log.logger().exception("failed", said=f"no {password}")
    told = capsys.readouterr().err
    assert CANARY not in told
    assert "the server says (secret)" in told
    assert not as_json or json.loads(told)["event"] == "failed"


def test_a_secret_within_a_list_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    """What a person wrote as the reason of a pause is in a list of things."""
    log.set_up(level="debug", as_json=True, redact=Redactor({"it": {"value": SecretText(CANARY)}}))
    log.logger().info("permit", paused=[{"what": "everything", "reason": f"pw {CANARY}", "n": 1}])
    assert json.loads(capsys.readouterr().err)["paused"] == [{"what": "everything", "reason": "pw (secret)", "n": 1}]


def test_a_former_secret_is_masked_however_often_the_same_is_declared_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A host may still tell a password that was rotated when its documents have changed twenty times for other reasons."""
    log.set_up()
    log.mask(Redactor({"it": {"value": SecretText(CANARY)}}))
    for _ in range(20):
        log.mask(Redactor({"it": {"value": SecretText("another-one")}}))
    log.logger().warning("failed", said=f"no {CANARY}, no another-one")
    assert "no (secret), no (secret)" in capsys.readouterr().err
