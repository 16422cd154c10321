"""What set-up does to the machine: only what is missing, no service started, and no file of others touched."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from scripts import system_packages
from scripts.steps import SetUpError
from scripts.system_packages import MARK, Need, needs, provide, services_kept_still

# An apt-get that notes what it was asked, what the machine looked like, and makes the programs it "installs".
FAKE_APT = """#!/bin/bash
echo "$@ policy=$(cat {policy} 2>/dev/null | tail -1) cluster=$(cat {cluster} 2>/dev/null | tail -1)" >> {journal}
[ "$1" = {failing} ] && {{ echo "E: no such package"; exit 100; }}
for word in "$@"; do [ "$word" = a-package ] && install -m 755 /dev/null {folder}/a-program; done
exit 0
"""


class Machine:
    """A machine of the test's own: a PATH with an apt-get that only notes, and directories in the place of /etc's."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.programs = folder, folder / "bin"
        self.policy, self.cluster_rule = folder / "policy-rc.d", folder / "createcluster.d" / "catena.conf"
        self.package_list, self.journal = folder / "packages.txt", folder / "journal"
        self.programs.mkdir()
        self.have_apt()
        self.package_list.write_text("# comment\nx a-program|another a-package\n", encoding="utf-8")
        monkeypatch.setenv("PATH", f"{self.programs}:/usr/bin:/bin")
        monkeypatch.delenv("REQUIRE_TIER", raising=False)
        monkeypatch.setattr(system_packages, "POLICY", self.policy)
        monkeypatch.setattr(system_packages, "CLUSTER_RULE", self.cluster_rule)
        monkeypatch.setattr(system_packages, "APT_LOCK", folder / "lock")
        monkeypatch.setattr(system_packages, "PACKAGE_LIST", self.package_list)
        monkeypatch.setattr(os, "geteuid", lambda: 0)

    def have_apt(self, failing: str = "nothing") -> None:
        script = FAKE_APT.format(
            policy=self.policy, cluster=self.cluster_rule, journal=self.journal, failing=failing, folder=self.programs
        )
        (self.programs / "apt-get").write_text(script, encoding="utf-8")
        (self.programs / "apt-get").chmod(0o755)

    def apt_calls(self) -> list[str]:
        return self.journal.read_text(encoding="utf-8").splitlines() if self.journal.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_nothing_is_installed_where_nothing_is_missing(machine: Machine) -> None:
    (machine.programs / "another").write_text("", encoding="utf-8")
    (machine.programs / "another").chmod(0o755)
    provide(["x"])
    assert machine.apt_calls() == []


def test_what_is_missing_is_installed_while_services_are_kept_from_starting(machine: Machine) -> None:
    provide(["x"])
    update, download, install = machine.apt_calls()
    assert update.startswith("update ")
    assert "--download-only a-package" in download
    assert install.startswith("install --yes --no-install-recommends --no-remove --no-upgrade a-package ")
    assert "policy=exit 101" in install
    assert "policy= " in update + download
    assert not machine.policy.exists()


def test_only_the_rows_of_the_purpose_count(machine: Machine) -> None:
    provide(["y"])
    assert machine.apt_calls() == []


def test_a_failing_apt_is_told_in_its_own_words_and_leaves_no_file(machine: Machine) -> None:
    machine.have_apt(failing="install")
    with pytest.raises(SetUpError, match=r"(?s)apt-get install .* ended with 100:.*E: no such package"):
        provide(["x"])
    assert not machine.policy.exists()


def test_a_package_without_the_program_is_an_error(machine: Machine) -> None:
    machine.package_list.write_text("x a-program-of-another-name a-package\n", encoding="utf-8")
    with pytest.raises(SetUpError, match="still no a-program-of-another-name"):
        provide(["x"])


def test_who_is_not_root_is_told_what_is_missing_and_goes_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    provide(["x"])
    assert "apt-get install --no-install-recommends a-package" in capsys.readouterr().err
    assert machine.apt_calls() == []


def test_a_required_tier_that_cannot_be_had_is_an_error(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("REQUIRE_TIER", "root")
    with pytest.raises(SetUpError, match="missing: a-package"):
        provide(["x"])


def test_no_postgresql_cluster_is_created(machine: Machine) -> None:
    with services_kept_still(["postgresql"]):
        assert machine.cluster_rule.read_text(encoding="utf-8").endswith("create_main_cluster = false\n")
        assert stat.S_IMODE(machine.policy.stat().st_mode) == 0o755
    assert not machine.cluster_rule.exists()
    with services_kept_still(["tshark"]):
        assert not machine.cluster_rule.exists()


def test_somebody_elses_policy_stays_as_it_is(machine: Machine) -> None:
    machine.policy.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    with services_kept_still([]):
        assert machine.policy.read_text(encoding="utf-8") == "#!/bin/sh\nexit 0\n"
    assert machine.policy.read_text(encoding="utf-8") == "#!/bin/sh\nexit 0\n"


def test_what_a_killed_run_left_behind_is_removed_by_the_next(machine: Machine) -> None:
    machine.policy.write_text(f"#!/bin/sh\n{MARK}exit 101\n", encoding="utf-8")
    provide(["x"])
    assert not machine.policy.exists()


def test_an_interrupt_waits_for_apt_and_then_counts(machine: Machine) -> None:
    machine.have_apt()
    apt = machine.programs / "apt-get"
    interrupt = f'[[ " $* " == *" --download-only "* || $1 = update ]] || kill -{signal.SIGINT.value} $PPID\n'
    apt.write_text(apt.read_text(encoding="utf-8").replace("exit 0\n", f"{interrupt}exit 0\n"), encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        provide(["x"])
    assert (machine.programs / "a-program").exists()
    assert not machine.policy.exists()


def test_a_library_is_looked_for_where_the_loader_looks() -> None:
    assert Need("x", ("libc.so.6",), "libc6").met
    assert not Need("x", ("libof-another-world.so.9",), "none").met


def test_every_row_of_the_list_has_a_purpose_that_set_up_knows() -> None:
    rows = system_packages.PACKAGE_LIST.read_text(encoding="utf-8").splitlines()
    assert len(needs(["demo", "test"])) == len([row for row in rows if row and not row.startswith("#")])
