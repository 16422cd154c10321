"""The command line against a real server process on the simulated tier: the main job as a user types it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mano.cli.commands import mano
from mano.cli.output import cell
from tests.api.official import faults, needs_documents

SAMPLES = Path(__file__).resolve().parents[2] / "vnf_descriptors" / "samples"
INVENTORY = SAMPLES / "inventory" / "gi-lan.yaml"
DEADLINE_S = 60
VNFS = ("firewall", "dpi", "nat")


@dataclass
class Terminal:
    """A shell with the server's address and data directory in its environment."""

    url: str
    data_dir: Path

    def run(self, *words: str | Path, code: int = 0) -> Result:
        """A command that is to end with this exit code."""
        environment = {"CATENA_URL": self.url, "CATENA_DATA_DIR": str(self.data_dir), "CATENA_TOKEN": None}
        result = CliRunner().invoke(mano, [str(word) for word in words], env=environment)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, (words, result.exit_code, result.stdout, result.stderr)
        return result

    def json(self, *words: str | Path) -> Any:
        """What a command prints with ``-o json``."""
        return json.loads(self.run(*words, "-o", "json").stdout)


@dataclass
class Server:
    """A ``mano serve`` process; ``words`` is what it said until it was ready."""

    process: subprocess.Popen[str]
    terminal: Terminal
    words: str

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


def command(data_dir: Path, *words: str) -> list[str]:
    base = ["serve", "--tier", "simulated", "--lab", "clitest", "--data-dir", str(data_dir)]
    return [sys.executable, "-m", "mano.cli", *base, *words]


@contextlib.contextmanager
def running(data_dir: Path, *words: str) -> Iterator[Server]:
    process = subprocess.Popen(
        command(data_dir, "--listen", "127.0.0.1:0", *words),
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert process.stderr is not None
    said = ""
    try:
        while "dashboard" not in said:
            line = process.stderr.readline()
            assert line, f"the server ended: {said}"
            said += line
        url = next(word for word in said.split() if word.startswith(("http://", "https://")))
        yield Server(process, Terminal(url, data_dir), said)
    finally:
        process.kill()
        process.wait(DEADLINE_S)
        process.stderr.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.fixture(scope="module")
def terminal(server: Server) -> Terminal:
    return server.terminal


@pytest.fixture(scope="module")
def service(terminal: Terminal) -> str:
    """The Gi-LAN, onboarded, placed and running; its name."""
    terminal.run("package", "onboard", *(SAMPLES / name for name in VNFS))
    terminal.run("nsd", "onboard", SAMPLES / "gi-lan")
    terminal.run("host", "add", INVENTORY)
    terminal.run("vim", "attach", "local", "subscribers", "--host", "h1")
    terminal.run("vim", "attach", "local", "internet", "--physnet", "dc1")
    terminal.run("ns", "create", "gi-lan", "--name", "demo", "--description", "for subscribers")
    done = terminal.run("ns", "instantiate", "demo", "--timeout", "60")
    assert "COMPLETED" in done.stdout and "forwarding-graphs" in done.stderr
    return "demo"


def test_the_server_says_where_it_is_and_that_the_page_may_only_look(server: Server) -> None:
    assert "/ui/#token=" in server.words and "may look, not change" in server.words
    mode = (server.terminal.data_dir / "credentials.json").stat().st_mode
    assert mode & 0o077 == 0


def test_the_catalogue_is_listed(terminal: Terminal, service: str) -> None:
    table = terminal.run("package", "list").stdout
    assert all(name in table for name in VNFS) and "ONBOARDED" in table
    ids = terminal.run("package", "list", "-o", "name").stdout.split()
    assert len(ids) == 3
    assert terminal.json("package", "show", "firewall")["id"] in ids
    assert terminal.json("package", "show", ids[0][:8])["id"] == ids[0]
    assert terminal.json("nsd", "show", "gi-lan")["nsdUsageState"] == "IN_USE"
    assert "no package" in terminal.run("package", "show", "nothing", code=1).stderr
    assert terminal.json("package", "list", "--filter", "(eq,vnfProductName,dpi)")[0]["vnfProductName"] == "dpi"


def test_what_runs_is_shown(terminal: Terminal, service: str) -> None:
    shown = terminal.run("ns", "show", service).stdout
    assert "INSTANTIATED" in shown and "access" in shown and "subscribers" in shown
    assert terminal.json("ns", "list")[0]["nsState"] == "INSTANTIATED"
    vnfs = terminal.json("vnf", "list")
    assert len(vnfs) == 3
    assert "CPUs" in terminal.run("vnf", "show", vnfs[0]["id"]).stdout
    assert {host["name"] for host in terminal.json("host", "list")} == {"h1", "h2", "h3"}
    assert "CARRIES" in terminal.run("host", "show", "h1").stdout
    assert terminal.json("vim", "list")[0]["attachments"]["internet"]


def test_the_chains_are_shown_proven_traced_and_counted(terminal: Terminal, service: str) -> None:
    assert {chain["name"] for chain in terminal.json("chain", "list")} == {"web", "other"}
    shown = terminal.run("chain", "show", "web").stdout
    assert "DIRECTION" in shown and "firewall" in shown and "dpi" in shown
    assert "proven on the simulator: yes" in terminal.run("chain", "verify", "web").stdout
    packet = ("--source", "10.10.0.2", "--destination", "198.51.100.1", "--destination-port", "80")
    assert "verdict (simulated)" in terminal.run("chain", "trace", "web", *packet).stdout
    assert "PACKETS" in terminal.run("chain", "stats", "other").stdout
    seen = terminal.run("chain", "trace", "web", *packet, "--real").stdout
    assert "to dpi-0" in seen and "asked for by Definitions/gi-lan.yaml:" in seen
    assert "--source" in terminal.run("chain", "trace", "web", code=2).stderr
    hops = terminal.run("chain", "traceroute", "web", "--direction", "forward").stdout
    assert "forward, SPI" in hops and "dpi-0" in hops and "end of the path" in hops
    assert "every bridge holds" in terminal.run("chain", "drift").stderr
    assert "nothing was to be repaired" in terminal.run("chain", "repair", "web").stderr
    assert "there is no chain" in terminal.run("chain", "show", "nothing", code=1).stderr


def test_a_chain_is_made_changed_and_deleted_by_file(terminal: Terminal, service: str, tmp_path: Path) -> None:
    file = tmp_path / "dns.yaml"
    file.write_text(
        "{apiVersion: catena/v1, kind: Chain, id: dns, ingress: subscribers,"
        " classifiers: [{priority: 500, match: {protocol: udp, destinationPort: 53}}],"
        " path: [{group: firewall-0}, {group: nat-0}]}"
    )
    told = terminal.run("chain", "create", "-f", file, "--dry-run", code=10)
    assert "FLOWS ADDED" in told.stdout and "by priority" in told.stderr
    assert "active" in terminal.run("chain", "create", "-f", file).stdout
    assert "already" in terminal.run("chain", "create", "-f", file, code=1).stderr
    terminal.run("chain", "update", "dns", "-f", file, "--dry-run", code=0)
    change = tmp_path / "change.yaml"
    change.write_text("{path: [{group: firewall-0}, {group: dpi-0}, {group: nat-0}]}")
    assert (
        "phases: added, flipped"
        in terminal.run("chain", "update", "dns", "-f", change, "--merge", "--dry-run", code=10).stdout
    )
    done = terminal.run("chain", "update", "dns", "-f", change, "--merge")
    assert "COMPLETED" in done.stdout and "let the new version classify" in done.stderr
    assert "dpi-0" in terminal.run("chain", "show", "dns").stdout
    operation = terminal.json("op", "list", "--chain")[-1]
    assert "COMPLETED" in terminal.run("op", "show", operation["id"]).stdout
    terminal.run("chain", "delete", "dns", "--dry-run", code=10)
    terminal.run("chain", "delete", "dns")
    assert "there is no chain" in terminal.run("chain", "show", "dns", code=1).stderr
    file.write_text("{path: [{group: firewall-0}], ingress: nowhere, id: x}")
    assert "/ingress" in terminal.run("chain", "create", "-f", file, code=1).stderr


def test_placement_answers_questions_about_what_runs(terminal: Terminal, service: str, tmp_path: Path) -> None:
    request, large = tmp_path / "request.json", tmp_path / "large.json"
    request.write_text(json.dumps({"vdus": [{"id": "v", "vcpus": 1, "memoryMib": 64}]}))
    large.write_text(json.dumps({"vdus": [{"id": "v", "vcpus": 999, "memoryMib": 64}]}))
    asked = ("place", "plan", "--request", request)
    host = terminal.json(*asked)["placements"]["v"]["host"]
    assert terminal.json(*asked, "--without", host, "--optimize", "best")["placements"]["v"]["host"] != host
    assert "CPU_DEDICATED on 3" in terminal.run("place", "plan", "--request", large, code=3).stderr
    assert "not in the inventory" in terminal.run(*asked, "--without", "h99", code=1).stderr
    assert "searches for 300 s" in terminal.run(*asked, "--time-limit", "301", code=1).stderr
    proposal = terminal.json("place", "rebalance", "--iterations", "2")
    assert proposal["gain"] >= 0 and proposal["before"]["cost"] - proposal["after"]["cost"] == proposal["gain"]
    emptied = terminal.run("place", "rebalance", "--without", "h1", "--iterations", "2", "-o", "json", code=3)
    assert json.loads(emptied.stdout)["unplaced"]
    assert terminal.json("place", "leaks", "--dry-run") == {"reservations": [], "computes": [], "missing": []}
    assert "nothing was refused" in terminal.run("place", "why-not", "unknown", code=1).stderr


def test_every_placement_is_explained(terminal: Terminal, service: str) -> None:
    placed = terminal.json("place", "list")
    assert {row["key"].split("-")[0] for row in placed} == set(VNFS)
    dpi = next(row for row in placed if row["key"].startswith("dpi"))
    assert cell(dpi["decision"]["why"]) in terminal.run("place", "why", "dpi").stdout
    assert "affinity" in terminal.run("place", "why-not", "dpi", "h1").stdout
    assert "no host" in terminal.run("place", "why-not", "dpi", "h99", code=1).stderr
    assert "is on" in terminal.run("place", "why-not", "dpi", dpi["host"], code=1).stderr
    assert "nothing is placed" in terminal.run("place", "why", "unknown", code=1).stderr


def test_operations_are_listed_and_watched(terminal: Terminal, service: str) -> None:
    (op,) = terminal.json("op", "list", "--state", "COMPLETED")
    assert "COMPLETED" in terminal.run("op", "show", op["id"]).stdout
    assert terminal.run("op", "watch", op["id"]).exit_code == 0
    assert len(terminal.json("op", "list", "--vnf")) == 3
    assert "cannot take" in terminal.run("op", "retry", op["id"], code=1).stderr
    terminal.run("op", "show", "not-an-id", code=1)
    terminal.run("op", "show", "00000000-0000-4000-8000-00000000dead", code=1)


@needs_documents
def test_what_a_running_service_tells_is_what_the_official_documents_say(terminal: Terminal, service: str) -> None:
    for command_, document, schema in (
        ("package", "SOL005-VNFPackageManagement", "VnfPkgInfo"),
        ("nsd", "SOL005-NSDManagement", "NsdInfo"),
        ("ns", "SOL005-NSLifecycleManagement", "NsInstance"),
        ("vnf", "SOL003-VNFLifecycleManagement", "VnfInstance"),
        ("op", "SOL005-NSLifecycleManagement", "NsLcmOpOcc"),
    ):
        for row in terminal.json(command_, "list"):
            assert faults(document, schema, row) == []
            assert faults(document, schema, terminal.json(command_, "show", row["id"])) == []


def test_what_is_used_stays(terminal: Terminal, service: str) -> None:
    assert "in use" in terminal.run("nsd", "delete", "--force", "gi-lan", code=1).stderr
    terminal.run("nsd", "enable", "gi-lan")
    assert "carries" in terminal.run("host", "remove", "h1", code=1).stderr
    assert "carries" in terminal.run("host", "remove", "--dry-run", "h1", code=1).stderr
    assert "INSTANTIATED" in terminal.run("ns", "delete", service, code=1).stderr
    assert "would delete" in terminal.run("ns", "delete", "--dry-run", service, code=10).stderr
    assert "instantiate" in terminal.run("ns", "instantiate", service, code=1).stderr.lower()


def test_a_broken_package_is_refused_with_its_findings_and_leaves_nothing(terminal: Terminal, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csar"
    broken.write_bytes(b"no archive at all")
    before = terminal.run("package", "list", "-o", "name").stdout
    refused = terminal.run("package", "onboard", broken, code=1)
    assert "error" in refused.stderr and "mano package validate" in refused.stderr
    assert terminal.run("package", "list", "-o", "name").stdout == before


def test_the_service_goes_without_a_trace(terminal: Terminal, service: str) -> None:
    terminal.run("ns", "terminate", service)
    assert terminal.json("chain", "list") == [] and terminal.json("place", "list") == []
    terminal.run("ns", "delete", service)
    terminal.run("host", "remove", "h2", "h3")
    terminal.run("ns", "create", "gi-lan", "--name", "crowded")
    refused = terminal.run("ns", "instantiate", "crowded", code=3)
    assert "ROLLED_BACK" in refused.stdout and "Error:" in refused.stderr
    terminal.run("ns", "delete", "crowded")
    terminal.run("host", "remove", "h1")
    terminal.run("nsd", "delete", "--force", "gi-lan")
    terminal.run("package", "delete", "--force", *VNFS)
    for words in (("ns", "list"), ("vnf", "list"), ("host", "list"), ("package", "list"), ("nsd", "list")):
        assert terminal.json(*words) == []


def test_a_second_server_on_the_same_data_is_refused(server: Server) -> None:
    done = subprocess.run(
        command(server.terminal.data_dir, "--listen", "127.0.0.1:0"), capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == 1 and str(server.process.pid) in done.stderr and "--data-dir" in done.stderr


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command(tmp_path, "--listen", f"127.0.0.1:{port}"), capture_output=True, text=True, timeout=DEADLINE_S
        )
    assert done.returncode == 1 and f"port {port} is in use" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--listen", "nonsense"), "HOST:PORT"),
        (("--listen", "0.0.0.0:0"), "--tls-cert"),
        (("--listen", "192.0.2.77:0", "--auth", "none"), "--tls-cert"),
        (("--tls-cert", "/etc/hostname"), "go together"),
        (("--database", "mysql://x"), "database"),
        (("--lab", "NOT A LAB"), "lab"),
        (
            ("--listen", "no-such-host.invalid:0", "--tls-cert", "/etc/hostname", "--tls-key", "/etc/hostname"),
            "--listen",
        ),
    ],
)
def test_a_start_that_cannot_be_says_why(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = subprocess.run(command(tmp_path, *words), capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode in (1, 2) and told in done.stderr and "Traceback" not in done.stderr


def test_a_server_ends_in_order_and_comes_back_with_its_data(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        first.terminal.run("package", "onboard", SAMPLES / "firewall")
        assert first.end(signal.SIGTERM) == 0
        first.terminal.run("package", "list", code=4)
    with running(tmp_path) as second:
        assert second.terminal.json("package", "list")[0]["vnfProductName"] == "firewall"
        assert second.end(signal.SIGKILL) == -signal.SIGKILL
    with running(tmp_path, "--auth", "none") as third:
        anonymous = CliRunner().invoke(
            mano, ["package", "list"], env={"CATENA_URL": third.terminal.url, "HOME": "/nowhere"}
        )
        assert anonymous.exit_code == 0 and "firewall" in anonymous.stdout
        assert third.end(signal.SIGINT) == 0


def write_certificate(path: Path) -> None:
    """A key and a certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "catena test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))


def test_a_server_speaks_tls_and_clients_check_it(tmp_path: Path) -> None:
    pem = tmp_path / "server.pem"
    write_certificate(pem)
    with running(tmp_path, "--tls-cert", str(pem), "--tls-key", str(pem)) as server:
        assert server.terminal.url.startswith("https://")
        assert server.terminal.json("ns", "list", "--ca-file", pem) == []
        assert "--ca-file" in server.terminal.run("ns", "list", code=4).stderr
        assert server.end() == 0


def test_commands_tell_what_is_wrong_with_the_server(tmp_path: Path) -> None:
    nobody = Terminal("http://127.0.0.1:1", tmp_path)
    assert "mano serve" in nobody.run("ns", "list", code=4).stderr
    for url in ("127.0.0.1:9890", "ftp://x", "http://", "http://x:port"):
        Terminal(url, tmp_path).run("ns", "list", code=2)


def test_a_command_without_a_token_says_where_one_is(server: Server, tmp_path: Path) -> None:
    stranger = Terminal(server.terminal.url, tmp_path)
    assert "--data-dir" in stranger.run("ns", "list", code=4).stderr
    (tmp_path / "credentials.json").write_text("{}")
    assert "no credentials file" in stranger.run("ns", "list", code=1).stderr
    (tmp_path / "credentials.json").write_text(json.dumps({"adminToken": "wrong"}))
    assert "token is not valid" in stranger.run("ns", "list", code=4).stderr


def test_a_server_that_is_another_one_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        pid = os.fork()
        if pid == 0:
            connection, _ = other.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops")
            connection.close()
            os._exit(0)
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        assert "answered 500" in Terminal(url, tmp_path).run("ns", "list", code=4).stderr
        os.waitpid(pid, 0)
