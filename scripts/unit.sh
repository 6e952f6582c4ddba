#!/bin/sh
# The tests that need no lab, on every core. Arguments are pytest's.
cd "$(dirname "$0")/.." || exit
exec .venv/bin/python -m pytest -m "not lab and not soak" -n auto --maxprocesses 4 --dist worksteal "$@"
