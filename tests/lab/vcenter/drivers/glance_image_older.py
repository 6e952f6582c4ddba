"""Images in the hands of Glance's real stores, configured as before Train: stores have no names."""

# mypy: disable-error-code="import-not-found,no-untyped-call"
# ruff: noqa: E402
from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import io
from pathlib import Path

from glance_store import backend
from oslo_config import cfg

from tests.lab.vcenter.drivers.lines import serve


class Glance:
    """The stores, as a Glance API had them; each public method is a request. The test gives images their ids."""

    def __init__(self, files: dict[str, str], config: str) -> None:
        """Write the files that a host would have, and log in as the one at path `config` says."""
        for path, text in files.items():
            Path(path).write_text(text)
        cfg.CONF([], project="glance", default_config_files=[config])
        backend.register_opts(cfg.CONF)
        backend.create_stores(cfg.CONF)
        backend.verify_default_store()

    def add(self, image: str, content: str) -> str:
        """Store an image in the default store; tell its address."""
        data = content.encode()
        added = backend.add_to_backend_with_multihash(cfg.CONF, image, io.BytesIO(data), len(data), "sha512")
        return str(added[0])

    def read(self, address: str) -> str:
        """Return an image's content."""
        chunks, _ = backend.get_from_backend(address)
        return b"".join(chunks).decode()

    def delete(self, address: str) -> None:
        """Delete an image."""
        backend.delete_from_backend(address)


if __name__ == "__main__":
    serve(Glance, str)
