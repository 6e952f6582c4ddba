"""What may hang is done beside the loop, and abandoned when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.aside import aside

ROOT = Path(__file__).parents[2]
HANGS = """
import asyncio, sys
from pathlib import Path
from reconciler.aside import aside

async def main():
    reading = asyncio.create_task(aside(Path(sys.argv[1]).read_bytes))
    await asyncio.sleep(0)
    reading.cancel()

asyncio.run(main())
print("over")
"""


async def told(pipe: Path, text: str) -> None:
    """Write into a pipe as soon as somebody reads from it."""
    async with asyncio.timeout(30):
        while True:
            await asyncio.sleep(0.01)
            with suppress(OSError):
                number = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
                break
    os.write(number, text.encode())
    os.close(number)


def test_a_program_ends_though_a_read_never_returns(tmp_path: Path) -> None:
    """A pipe into which nobody writes stands for a mount that hangs: neither the loop's end nor the program's waits for it."""
    os.mkfifo(tmp_path / "pipe")
    done = subprocess.run(
        [sys.executable, "-c", HANGS, tmp_path / "pipe"], cwd=ROOT, timeout=60, check=True, capture_output=True, text=True
    )
    assert done.stdout == "over\n"


async def test_what_comes_of_it_is_returned_or_raised(tmp_path: Path) -> None:
    """As if it had been called."""
    (tmp_path / "file").write_text("text")
    assert await aside((tmp_path / "file").read_text) == "text"
    with pytest.raises(FileNotFoundError):
        await aside((tmp_path / "none").read_text)


async def test_the_loop_goes_on_meanwhile(tmp_path: Path) -> None:
    """Whoever reads from a pipe gets what the loop writes into it later."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = asyncio.create_task(aside(pipe.read_text))
    await told(pipe, "text")
    assert await reading == "text"
