"""Identifiers that depend on their parts alone."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from mano.domain.ids import INTERFACE_NAME_LENGTH, derive_id, interface_name, mac_address

parts = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=4)


@given(parts, parts)
def test_equal_parts_give_equal_identifiers_and_others_do_not(one, two) -> None:
    for derive in (derive_id, interface_name, mac_address):
        assert (derive(*one) == derive(*two)) == (one == two)


@given(parts)
def test_an_interface_name_fits_linux(names) -> None:
    name = interface_name(*names)
    assert len(name) == INTERFACE_NAME_LENGTH <= 15
    assert name.startswith("cat")
    assert name.isalnum()


@given(parts)
def test_a_mac_address_is_local_and_unicast(names) -> None:
    first = int(mac_address(*names).split(":")[0], 16)
    assert first & 0b11 == 0b10


@given(parts)
def test_a_derived_identifier_is_a_uuid(names) -> None:
    assert uuid.UUID(derive_id(*names)).version == 5


def test_identifiers_never_change_between_releases() -> None:
    assert derive_id("ns", "vl") == "084867a9-f4f2-5ae9-b4b1-de850b9d3538"
    assert interface_name("h1", "p1") == "catry7kprytq3"
