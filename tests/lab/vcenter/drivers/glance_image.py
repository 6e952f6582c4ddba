"""Images in the hands of Glance's real stores, each with its name."""

# mypy: disable-error-code="import-not-found,no-untyped-call"
# ruff: noqa: E402
from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import io
from pathlib import Path
from typing import Any

from glance_store import multi_backend
from oslo_config import cfg

from tests.lab.vcenter.drivers.lines import serve


class Glance:
    """The stores, as a Glance API has them; each public method is a request. The test gives images their ids."""

    def __init__(self, files: dict[str, str], config: str) -> None:
        """Write the files that a host would have, and log in as the one at path `config` says."""
        for path, text in files.items():
            Path(path).parent.mkdir(exist_ok=True)
            Path(path).write_text(text)
        cfg.CONF.register_opt(cfg.DictOpt("enabled_backends", default={}))
        cfg.CONF([], project="glance", default_config_files=[config])
        multi_backend.register_store_opts(cfg.CONF)
        multi_backend.create_multi_stores(cfg.CONF)
        multi_backend.verify_store()

    def look(self, store: str, names: list[str]) -> dict[str, str]:
        """Tell what a store's driver has read about itself."""
        driver = multi_backend.get_store_from_store_identifier(store)
        return {name: getattr(driver, name) for name in names}

    def add(self, store: str, image: str, content: str) -> dict[str, Any]:
        """Store an image; tell its address, size and store."""
        data = content.encode()
        address, size, _, _, told = multi_backend.add_with_multihash(
            cfg.CONF, image, io.BytesIO(data), len(data), store, "sha512"
        )
        return {"address": address, "size": size, "store": told["store"]}

    def read(self, store: str, address: str) -> str:
        """Return an image's content."""
        chunks, _ = multi_backend.get(address, store)
        return b"".join(chunks).decode()

    def size(self, store: str, address: str) -> int:
        """Return an image's size in bytes."""
        return int(multi_backend.get_size_from_uri_and_backend(address, store))

    def delete(self, store: str, address: str) -> None:
        """Delete an image."""
        multi_backend.delete(address, store)


if __name__ == "__main__":
    serve(Glance, str)
