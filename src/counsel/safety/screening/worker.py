"""One thread of its own for the sentence model, in which torch computes on one core.

Two OpenMP threads wait for each other at every layer. Where another process takes one of their cores, each wait is a
time slice long, and a message takes 10 to 100 times as long; on an idle machine the second core gains a third at most.
``benchmarks/screen.py --busy 2`` shows both.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")
_starting = Lock()


def on_one_core(work: Callable[[In], Out], given: In) -> Out:
    """What ``work(given)`` returns or raises, with torch on one core; the caller's own setting stays as it is."""
    with _starting:
        worker = _worker(os.getpid())
    return worker.submit(work, given).result()


@cache
def _worker(process: int) -> ThreadPoolExecutor:
    """The thread of this process: a fork has none of its parent's threads."""
    import torch

    worker = ThreadPoolExecutor(1, thread_name_prefix="screen")
    before = torch.get_num_threads()
    worker.submit(torch.set_num_threads, 1).result()
    # OpenMP keeps the number for each thread, but torch gives the last one set to every thread that first asks for it:
    # ours asks now, and then the caller's is set again for those to come.
    worker.submit(torch.get_num_threads).result()
    torch.set_num_threads(before)
    return worker
