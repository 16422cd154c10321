"""How a lab calls its things, and the numbers that it gives."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mano.adapters.vim_local.directory import Directory
from mano.adapters.vim_local.lab import (
    FIRST_PORT_OFPORT,
    LAST_PORT_OFPORT,
    OAM_OFPORT,
    TUNNEL_OFPORT,
    Lab,
    check_name,
    choose_ofport,
    lab_id_of,
    oam_ip,
    preferred_ofport,
    underlay_ip,
)
from mano.adapters.vim_local.links import change, label
from mano.adapters.vim_local.records import read_record, read_records, remove_tree, write_record
from mano.errors import DeadlineExceeded, InvalidInput
from mano.ports.vim import Attachment


def test_the_lab_s_id_follows_from_the_data_directory(tmp_path: Path) -> None:
    assert lab_id_of(tmp_path) == lab_id_of(tmp_path) != lab_id_of(tmp_path / "other")
    assert Lab(lab_id_of(tmp_path)).prefix == f"cat-{lab_id_of(tmp_path)}-"


@pytest.mark.parametrize("text", ["", "Lab", "a-b", "../x", "abcdefghi", "a b", "ä"])
def test_a_lab_id_can_be_part_of_any_name(text: str) -> None:
    with pytest.raises(ValueError, match="lower-case letters and digits"):
        Lab(text)


def test_no_host_or_attachment_can_take_a_namespace_of_ours() -> None:
    lab = Lab("t1")
    own = {lab.fabric, lab.prefix + lab.compute_key("c-1")}
    for name in {name.removeprefix(lab.prefix) for name in own}:
        with pytest.raises(InvalidInput, match="not possible"):
            check_name("host", name)


@given(st.text(max_size=80))
def test_a_checked_name_is_safe_everywhere(text: str) -> None:
    try:
        name = check_name("host", text)
    except InvalidInput:
        return
    assert name.isascii() and "/" not in name and not name.startswith((".", "-"))
    assert not any(character.isspace() for character in name)


def test_names_in_the_data_plane_fit_the_kernel() -> None:
    lab = Lab("abcdefgh")
    names = {lab.interface("port", str(n)) for n in range(1000)} | {lab.interface("vf", "h1", "0000:3b:00.0", "1")}
    assert len(names) == 1001
    assert all(len(name) <= 15 and name.startswith("cat") for name in names)


def test_addresses_of_hosts_never_meet() -> None:
    numbers = (1, 2, 255, 256, 65_000)
    assert underlay_ip(1) == "10.99.0.1"
    assert underlay_ip(256) == "10.99.1.0"
    assert len({*map(underlay_ip, numbers), *map(oam_ip, numbers)}) == 2 * len(numbers)


@given(st.lists(st.uuids().map(str), unique=True, max_size=50))
def test_openflow_numbers_are_distinct_and_reproducible(ids: list[str]) -> None:
    taken: set[int] = set()
    for id_ in ids:
        number = choose_ofport(id_, taken)
        assert number not in taken | {TUNNEL_OFPORT, OAM_OFPORT}
        assert FIRST_PORT_OFPORT <= number <= LAST_PORT_OFPORT
        taken.add(number)
    if ids:
        assert choose_ofport(ids[0], set()) == preferred_ofport(ids[0])


def test_openflow_numbers_wrap_round_and_run_out() -> None:
    everything = set(range(FIRST_PORT_OFPORT, LAST_PORT_OFPORT + 1))
    free = preferred_ofport("p") - 1
    assert choose_ofport("p", everything - {free}) == free
    with pytest.raises(InvalidInput, match="no free OpenFlow number"):
        choose_ofport("p", everything)


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    lab = Lab("t1", tmp_path)
    with lab.locked("host-h1"):
        with pytest.raises(DeadlineExceeded, match="host-h1"), lab.locked("host-h1", deadline_s=0.05):
            pass
        with lab.locked("host-h2", deadline_s=0.05):
            pass
    with lab.locked("host-h1", deadline_s=0.05):
        pass


def test_a_lock_outlives_the_removal_of_its_directory(tmp_path: Path) -> None:
    lab = Lab("t1", tmp_path)
    order: list[str] = []

    def wait() -> None:
        with lab.locked("registry"):
            order.append("second")

    with lab.locked("registry"):
        waiter = threading.Thread(target=wait)
        waiter.start()
        remove_tree(lab.run)
        order.append("first")
    waiter.join(5)
    assert order == ["first", "second"]


def test_records_are_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "kind" / "a.json"
    assert read_record(path) is None
    write_record(path, {"id": "ä"}, durable=True)
    with pytest.raises(TypeError):
        write_record(path, {"id": object()})
    assert read_record(path) == {"id": "ä"}
    assert [record for _, record in read_records(path.parent)] == [{"id": "ä"}]
    assert [entry.name for entry in path.parent.iterdir()] == ["a.json"]
    path.write_text("[1]")
    with pytest.raises(ValueError, match="no JSON object"):
        read_record(path)


def test_host_numbers_are_kept_and_the_lowest_free_one_is_taken(tmp_path: Path) -> None:
    directory = Directory(Lab("t1", tmp_path / "run"), tmp_path)
    assert [directory.number_of(name) for name in ("a", "b", "c", "a")] == [1, 2, 3, 1]
    directory.forget_host("b")
    again = Directory(Lab("t1", tmp_path / "run"), tmp_path)
    assert again.number_of("d") == 2
    assert again.number_of("c") == 3


def test_attachments_are_kept_beside_the_numbers(tmp_path: Path) -> None:
    directory = Directory(Lab("t1", tmp_path / "run"), tmp_path)
    directory.number_of("h1")
    directory.keep_attachment(Attachment("sub", host="h1"))
    directory.keep_attachment(Attachment("inet", physical_network="dc1"))
    assert list(directory.attachments().values()) == [
        Attachment("inet", physical_network="dc1"),
        Attachment("sub", host="h1"),
    ]
    directory.forget_attachment("inet")
    directory.forget_attachment("inet")
    assert set(directory.attachments()) == {"sub"}
    assert directory.number_of("h1") == 1


@pytest.mark.parametrize("argument", ["a b", "a\nlink delete lo", "", "a;b", "#", '"', "$(x)"])
def test_no_argument_of_ip_can_hold_a_second_command(argument: str) -> None:
    with pytest.raises(ValueError, match="cannot be an argument"):
        change("cat-none", [["link", "set", "dev", argument, "up"]])


def test_labels_say_what_an_interface_is_for() -> None:
    assert label("port", "p-1") == "catena:port=p-1"
