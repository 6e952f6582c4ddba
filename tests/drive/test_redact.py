"""The second wall around secrets: texts that the world wrote."""

from __future__ import annotations

import json
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest

from reconciler.redact import Redactor
from resources.contract import SecretText
from resources.ini import oslo_escape

PASSWORD = 'ca"na\\$ry <&> ünï/@:%'  # noqa: S105 - a canary
REDACT = Redactor(
    {
        "vc1": {"username": SecretText("administrator"), "password": SecretText(PASSWORD)},
        "mq": {"value": SecretText("rabbit://nova:can%61ry2@mq1:5672/")},
        "key": {"value": SecretText("first line\nsecond line")},
        "short": {"value": SecretText("no")},
    }
)


@pytest.mark.parametrize(
    "said",
    [
        PASSWORD,
        oslo_escape(PASSWORD),
        PASSWORD.replace("$", "$$"),
        json.dumps({"password": PASSWORD}),
        repr(PASSWORD),
        escape(PASSWORD),
        f"https://administrator:{quote(PASSWORD, safe='')}@vc1/sdk",
    ],
)
def test_no_spelling_of_a_secret_is_shown(said: str) -> None:
    """Whoever quotes a secret in an error, in whatever notation, is not repeated."""
    shown = REDACT(f"the login failed with {said}, try again")
    assert "ry <" not in shown
    assert "ry%20" not in shown
    assert "(secret)" in shown
    assert shown.startswith("the login failed with ")


def test_a_password_inside_of_a_url_is_one_too() -> None:
    """Of a URL that is a secret, the password alone is told by no one, as it stands there and as it is meant."""
    assert REDACT("ACCESS_REFUSED for nova with canary2") == "ACCESS_REFUSED for nova with (secret)"
    assert REDACT("can%61ry2") == "(secret)"


def test_the_lines_of_a_secret_are_secret() -> None:
    """A line of a longer text, such as a key, is not shown either."""
    assert REDACT("bad key: second line") == "bad key: (secret)"


def test_user_names_and_words_of_three_letters_stay() -> None:
    """What names the account belongs into the message; what is too short to be a secret would hide the message."""
    assert REDACT("no, administrator") == "no, administrator"
