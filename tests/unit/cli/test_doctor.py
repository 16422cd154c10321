"""What the doctor says of machines that are described to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mano.cli import doctor
from mano.cli.doctor import Machine, Outcome, diagnose, tiers_of
from mano.settings import Tier


class DescribedMachine(Machine):
    """A machine in a directory."""

    def __init__(self, root: Path, programs: dict[str, Outcome], user_id: int = 0) -> None:
        super().__init__(root)
        self.programs = programs
        self._user_id = user_id

    @property
    def user_id(self) -> int:
        return self._user_id

    def has(self, program: str) -> bool:
        return program in self.programs

    def run(self, *command: str) -> Outcome:
        return self.programs.get(" ".join(command), self.programs.get(command[0], Outcome(None)))

    def put(self, name: str, text: str = "") -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def switch(version: str = "3.1.0") -> dict[str, Outcome]:
    programs = dict.fromkeys(doctor.SWITCH_PROGRAMS, Outcome(0))
    return programs | {"ovs-vswitchd": Outcome(0, f"ovs-vswitchd (Open vSwitch) {version}\n")}


def seen(machine: Machine) -> dict[str, doctor.Finding]:
    return {finding.name: finding for finding in diagnose(machine).findings}


def test_an_empty_machine_can_simulate(tmp_path: Path) -> None:
    diagnosis = diagnose(DescribedMachine(tmp_path, {}))
    assert diagnosis.tier is Tier.SIMULATED
    assert all(finding.hint for finding in diagnosis.findings if not finding.there)


def test_root_with_namespaces_and_a_switch_is_the_root_tier(tmp_path: Path) -> None:
    machine = DescribedMachine(tmp_path, switch() | {"unshare": Outcome(0)})
    assert diagnose(machine).tiers == (Tier.ROOT, Tier.USER, Tier.SIMULATED)


def test_another_user_is_not_the_root_tier(tmp_path: Path) -> None:
    machine = DescribedMachine(tmp_path, switch() | {"unshare": Outcome(0)}, user_id=1000)
    assert diagnose(machine).tiers == (Tier.USER, Tier.SIMULATED)


def test_a_container_without_rights_is_the_simulated_tier(tmp_path: Path) -> None:
    machine = DescribedMachine(tmp_path, switch() | {"unshare": Outcome(1, "Operation not permitted")})
    assert diagnose(machine).tier is Tier.SIMULATED


@pytest.mark.parametrize(("version", "there"), [("3.1.0", True), ("2.12.1", True), ("2.11.4", False), ("odd", False)])
def test_an_old_switch_does_not_count(tmp_path: Path, version: str, there: bool) -> None:
    assert seen(DescribedMachine(tmp_path, switch(version)))["Open vSwitch"].there is there


def test_one_missing_program_is_named(tmp_path: Path) -> None:
    programs = switch()
    del programs["nft"]
    finding = seen(DescribedMachine(tmp_path, programs))["Open vSwitch"]
    assert not finding.there and "nft" in finding.detail


def test_files_of_the_kernel_are_read(tmp_path: Path) -> None:
    machine = DescribedMachine(tmp_path, {"qemu-system-x86_64": Outcome(0), "ovs-vswitchd": Outcome(0, "DPDK 22.11")})
    machine.put("/sys/fs/cgroup/cgroup.controllers", "cpuset memory")
    machine.put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "12\n")
    machine.put("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "0\n")
    machine.put("/sys/class/net/ens1/device/sriov_totalvfs", "8\n")
    machine.put("/sys/class/iommu/dmar0/x")
    machine.put("/dev/kvm")
    findings = seen(machine)
    assert findings["control groups"].detail == "v2"
    assert findings["huge pages"].detail == "12 of 2048 KiB free"
    assert findings["SR-IOV"].detail == "ens1 (8 VFs)"
    assert findings["IOMMU"].detail == "dmar0"
    assert findings["QEMU"].detail == "qemu-system-x86_64, KVM"
    assert findings["OVS-DPDK"].there


def test_the_first_generation_of_control_groups_needs_both_controllers(tmp_path: Path) -> None:
    machine = DescribedMachine(tmp_path, {})
    machine.path("/sys/fs/cgroup/cpuset").mkdir(parents=True)
    assert not seen(machine)["control groups"].there
    machine.path("/sys/fs/cgroup/memory").mkdir(parents=True)
    assert seen(machine)["control groups"].there


def test_no_tier_is_claimed_without_its_parts() -> None:
    assert tiers_of({}, 0) == (Tier.SIMULATED,)
    assert tiers_of({"network namespaces": True}, 0) == (Tier.SIMULATED,)
    assert tiers_of({"Open vSwitch": True}, 0) == (Tier.SIMULATED,)


@pytest.mark.parametrize("form", ["table", "json", "yaml", "name"])
def test_the_command_tells_the_tier_of_this_machine(form: str) -> None:
    result = CliRunner().invoke(doctor.doctor, ["-o", form])
    assert result.exit_code == 0 and diagnose(Machine(), ()).tier.value in result.output + "simulated"
    assert any(tier.value in result.output for tier in Tier)


def test_a_program_that_is_not_there_or_hangs_is_no_crash() -> None:
    assert Machine().run("no-such-program-anywhere").status is None
