"""Which device a process computes on, and how many threads pay."""

from __future__ import annotations

import pytest
import torch

from counsel.errors import CounselError
from counsel.model import machine


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(("rank", "index"), [(None, 0), ("0", 0), ("1", 1), ("-1", 0), ("", 0)])
def test_each_process_has_the_gpu_of_its_rank(monkeypatch: pytest.MonkeyPatch, rank: str | None, index: int) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert machine.device() == torch.device("cuda", index)


@pytest.mark.usefixtures("two_gpus")
def test_more_processes_than_gpus_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(CounselError, match="process 2, .* 2 GPUs"):
        machine.device()


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_is_made_the_one_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert machine.take_device() == torch.device("cuda", 1) == chosen[0]


def test_without_a_gpu_it_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.device() == torch.device("cpu") == machine.take_device()
    assert machine.peak_memory_gib() is None and machine.best_precision() == "fp32"


@pytest.fixture
def three_threads() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_a_small_model_on_a_cpu_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    machine.settle_threads(machine.SMALL)
    assert torch.get_num_threads() == 3
    machine.settle_threads(machine.SMALL - 1)
    assert torch.get_num_threads() == 1
