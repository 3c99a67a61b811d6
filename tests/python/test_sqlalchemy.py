"""databend-sqlalchemy from PyPI: connect, make tables, write, read, reflect."""

import datetime
import decimal

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, MetaData, Table, inspect, select, text


@pytest.fixture
def engine(server):
    engine = sa.create_engine(f"databend://root:@{server.address}/default?sslmode=disable")
    yield engine
    engine.dispose()


@pytest.fixture
def people(engine):
    metadata = MetaData()
    table = Table("people", metadata,
                  Column("id", sa.Integer, nullable=False), Column("name", sa.String), Column("born", sa.Date),
                  Column("seen", sa.DateTime), Column("weight", sa.Float), Column("paid", sa.Numeric(12, 2)),
                  Column("active", sa.Boolean), Column("big", sa.BigInteger))
    metadata.create_all(engine)
    return table


ROWS = [
    {"id": 1, "name": "Ann", "born": datetime.date(1990, 1, 2), "seen": datetime.datetime(2024, 2, 29, 1, 2, 3),
     "weight": 61.5, "paid": decimal.Decimal("10.25"), "active": True, "big": 2**40},
    {"id": 2, "name": "it's %s; \\ Bob", "born": None, "seen": None, "weight": None, "paid": None, "active": None, "big": None},
]


def test_the_version_is_understood(engine):
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
        assert engine.dialect.server_version_info >= (1, 2, 901)
        assert engine.dialect.default_schema_name == "default"


def test_insert_and_select(engine, people):
    with engine.begin() as connection:
        for row in ROWS:
            connection.execute(people.insert(), row)
    with engine.connect() as connection:
        found = connection.execute(select(people).order_by(people.c.id)).mappings().all()
        first, second = dict(found[0]), dict(found[1])
        assert first["seen"].replace(tzinfo=None) == ROWS[0]["seen"]
        assert {k: v for k, v in first.items() if k != "seen"} == {k: v for k, v in ROWS[0].items() if k != "seen"}
        assert second == ROWS[1]
        counted = select(sa.func.count()).select_from(people).where(people.c.weight > 60)
        assert connection.execute(counted).scalar() == 1
        joined = select(people.c.name).where(people.c.id.in_([1, 3]))
        assert connection.execute(joined).scalars().all() == ["Ann"]


def test_update_and_delete(engine, people):
    with engine.begin() as connection:
        for row in ROWS:
            connection.execute(people.insert(), row)
        connection.execute(people.update().where(people.c.id == 2).values(name="Bob"))
        assert connection.execute(select(people.c.name).where(people.c.id == 2)).scalar() == "Bob"
        connection.execute(people.delete().where(people.c.id == 1))
        assert connection.execute(select(sa.func.count()).select_from(people)).scalar() == 1


def test_reflection(engine, people):
    with engine.begin() as connection:
        connection.execute(text("CREATE VIEW adults AS SELECT id, name FROM people"))
    inspector = inspect(engine)
    assert "default" in inspector.get_schema_names()
    assert "people" in inspector.get_table_names() and "adults" not in inspector.get_table_names()
    assert inspector.get_view_names() == ["adults"]
    columns = {column["name"]: column for column in inspector.get_columns("people")}
    assert list(columns) == ["id", "name", "born", "seen", "weight", "paid", "active", "big"]
    assert columns["id"]["nullable"] is False and columns["name"]["nullable"] is True
    assert isinstance(columns["born"]["type"], sa.Date) and isinstance(columns["big"]["type"], sa.BigInteger)
    assert inspector.get_indexes("people") == []


@pytest.mark.parametrize("name,there", [("people", True), ("nobody", False)])
def test_has_table(engine, people, name, there):
    assert inspect(engine).has_table(name) is there


def test_a_reflected_table_can_be_queried(engine, people):
    with engine.begin() as connection:
        connection.execute(people.insert(), ROWS[0])
    again = Table("people", MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        assert connection.execute(select(again.c.name)).scalars().all() == ["Ann"]


def test_errors_come_as_database_errors(engine):
    with engine.connect() as connection:
        with pytest.raises(Exception) as error:
            connection.execute(text("SELECT nope"))
        assert "1058" in str(error.value)
