"""What travels: JSON, digests, and why something was refused."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


REFUSALS = ("fenced", "deposed")
"""The codes of what is refused to who leads no more."""


class Refusal(Exception):  # noqa: N818 - it becomes a reply; it is no fault of the program
    """Why a query or an action was not answered as hoped; it becomes the reply's code and error."""

    def __init__(self, code: str, error: str) -> None:
        """Keep the constant for programs and the sentence for people."""
        Exception.__init__(self, error)
        self.code = code
        self.error = error


def _load_json() -> "tuple[Callable[[str], Any], Callable[[Any], str]]":
    """Return the reader and the writer, from the interpreter's own C code: `import json` costs more than all of us."""
    try:
        import _json

        class Options:
            strict = True
            object_hook = object_pairs_hook = None
            parse_float, parse_int, parse_constant = float, int, float

        scan = _json.make_scanner(Options())  # type: ignore[arg-type]
        encode = _json.make_encoder(None, repr, _json.encode_basestring_ascii, None, ":", ",", *(False, False, True))
        sample = '{"a":[1,null]}'
        if "".join(encode(scan(sample, 0)[0], 0)) == sample:
            return (lambda text: scan(text.strip(), 0)[0]), (lambda value: "".join(encode(value, 0)))
    except (ImportError, AttributeError, TypeError):
        pass
    import json

    return json.loads, lambda value: json.dumps(value, separators=(",", ":"))


def _load_sha256() -> "Callable[[bytes], Any]":
    """Return the interpreter's own SHA-256; `hashlib` would load all of OpenSSL."""
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]
    except ImportError:
        try:
            from _sha2 import sha256  # type: ignore[import-not-found]
        except ImportError:
            from hashlib import sha256
    found: Callable[[bytes], Any] = sha256
    return found


from_json, to_json = _load_json()
_sha256 = _load_sha256()


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of the content."""
    return str(_sha256(content).hexdigest())
