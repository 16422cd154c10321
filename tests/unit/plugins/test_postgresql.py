"""The private PostgreSQL server of the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy

pytestmark = pytest.mark.postgresql


def test_each_test_has_an_empty_database_of_its_own(postgresql_url: str) -> None:
    engine = sqlalchemy.create_engine(postgresql_url)
    try:
        assert sqlalchemy.inspect(engine).get_table_names() == []
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE mine (id integer)"))
    finally:
        engine.dispose()


def test_the_server_is_unprivileged_and_has_no_tcp_port(postgresql_url: str) -> None:
    engine = sqlalchemy.create_engine(postgresql_url)
    try:
        with engine.connect() as connection:
            assert connection.execute(sqlalchemy.text("SHOW listen_addresses")).scalar() == ""
            backend = connection.execute(sqlalchemy.text("SELECT pg_backend_pid()")).scalar_one()
            assert Path(f"/proc/{backend}").stat().st_uid == (os.geteuid() or 65534)
    finally:
        engine.dispose()
