"""Which package suits a machine: what nvidia-smi prints, and why the machine cannot run the one that was asked for."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra.engines.vllm import hardware
from infra.engines.vllm.hardware import CannotRun, Gpu, Machine, chosen, gpus_in, this_machine

PLAIN = Machine("linux", "x86_64", frozenset({"avx2"}))
H100 = Gpu("NVIDIA H100 80GB HBM3", 81_559, "580.95.05", 9.0)


def test_the_table_of_nvidia_smi_is_read() -> None:
    table = "NVIDIA H100 80GB HBM3, 81559, 580.95.05, 9.0\nNVIDIA GB10, [N/A], 580.95.05, 12.1\n"

    assert gpus_in(table) == (H100, Gpu("NVIDIA GB10", 0, "580.95.05", 12.1))
    assert gpus_in("\n") == ()


def test_a_machine_with_a_gpu_gets_its_package_and_one_without_the_other() -> None:
    assert chosen(replace(PLAIN, gpus=(H100,))) == "gpu"
    assert chosen(replace(PLAIN, gpus=(H100,)), "cpu") == "cpu"
    assert chosen(PLAIN) == "cpu"
    assert chosen(replace(PLAIN, trouble="the NVIDIA driver does not work: no devices")) == "cpu"
    assert chosen(replace(PLAIN, processor="aarch64", abilities=frozenset())) == "cpu"


REFUSED = {
    "old driver": (
        replace(PLAIN, gpus=(replace(H100, driver="550.54.14"),)),
        None,
        "driver 550.54.14 is too old",
    ),
    "old gpu": (replace(PLAIN, gpus=(replace(H100, capability=6.1),)), None, "compute capability 6.1 is too old"),
    "no gpu": (PLAIN, "gpu", "no NVIDIA GPU was found"),
    "driver broken": (replace(PLAIN, trouble="the NVIDIA driver does not work: x"), "gpu", "driver does not work: x"),
    "no avx2": (replace(PLAIN, abilities=frozenset({"sse4_2"})), None, "lacks AVX2"),
    "riscv": (replace(PLAIN, processor="riscv64"), None, "no vLLM package for riscv64"),
    "mac": (replace(PLAIN, system="darwin"), None, "are for Linux, this is darwin"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_with_the_reason_and_the_way_out(case: str) -> None:
    machine, wanted, reason = REFUSED[case]

    with pytest.raises(CannotRun, match=reason) as refused:
        chosen(machine, wanted)  # type: ignore[arg-type]  # the table's words

    assert "use --" in str(refused.value)


@pytest.mark.parametrize(
    ("abilities", "kernels"),
    [({"avx2"}, "AVX2"), ({"avx2", "avx512f"}, "AVX-512"), ({"avx512f", "avx512_bf16"}, "AVX-512 with bfloat16")],
)
def test_the_kernels_follow_the_processor(abilities: set[str], kernels: str) -> None:
    assert replace(PLAIN, abilities=frozenset(abilities)).kernels == kernels


def test_a_gpu_that_no_driver_serves_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "0000:01:00.0"
    device.mkdir()
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030000\n")

    assert "PCI 0000:01:00.0" in hardware._without_driver(tmp_path)

    (device / "class").write_text("0x040300\n")  # its sound
    assert hardware._without_driver(tmp_path) == ""


def test_a_driver_that_does_not_work_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text(
        '#!/bin/sh\necho "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."\nexit 9\n'
    )
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    machine = this_machine()

    assert machine.gpus == ()
    assert machine.trouble.startswith("the NVIDIA driver does not work: NVIDIA-SMI has failed because")
