"""What the program is tried against."""

from __future__ import annotations

from tests.lab.vcenter.conftest import binary, cache_dir, certificates, login, vcenter  # noqa: F401 - fixtures
