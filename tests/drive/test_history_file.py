"""The file of what was done, opened by several threads of one program."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.history_file import open_to_write

DEADLINE_S = 30.0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root looks whose the folder is while it makes the file")
def test_a_file_that_one_thread_makes_is_not_yet_another_ones(tmp_path: Path) -> None:
    """Who closes what it made takes no lock from who has opened it meanwhile: else a reader would delete what that writes."""
    path = tmp_path / "x.sqlite"
    making, opened, over = threading.Event(), threading.Event(), threading.Event()

    class Slow(type(Path())):  # type: ignore[misc] # the class of paths of this system
        """A path whose folder is looked at slowly, once the file is there."""

        def stat(self, **how: Any) -> os.stat_result:
            """Return what the kernel says, when another thread has had its time."""
            if path.exists() and not making.is_set():
                making.set()
                opened.wait(1.0)
            return super().stat(**how)  # type: ignore[no-any-return]

    def read(at: Path) -> None:
        with closing(open_to_write(at)) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM passes").fetchone()
            opened.set()
            over.wait(DEADLINE_S)

    threads = [threading.Thread(target=read, args=(at,)) for at in (Slow(path), path)]
    threads[0].start()
    assert making.wait(DEADLINE_S)
    threads[1].start()
    assert opened.wait(DEADLINE_S)
    try:
        with closing(open_to_write(path)):  # by now the first one has closed what it made
            assert f":{path.stat().st_ino} " in Path("/proc/locks").read_text()
    finally:
        over.set()
        for thread in threads:
            thread.join()
