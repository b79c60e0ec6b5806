"""Databases of a benchmark's own, made anew, on the server that is measured."""

from __future__ import annotations

import secrets

import psycopg
from psycopg import sql


def address_of(server: str, name: str) -> str:
    """Of another database on the server."""
    return f"{server.rpartition('/')[0]}/{name}"


def fresh(server: str, name: str, *, template: str = "template1") -> str:
    """A new database on the server, in place of one that was there; its address."""
    with psycopg.connect(address_of(server, "postgres"), autocommit=True) as connection:
        new, model = sql.Identifier(name), sql.Identifier(template)
        _drop(connection, name)
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(new, model))
    return address_of(server, name)


def drop(server: str, name: str) -> None:
    with psycopg.connect(address_of(server, "postgres"), autocommit=True) as connection:
        _drop(connection, name)


def _drop(connection: psycopg.Connection, name: str) -> None:
    """Whoever is connected is sent away: our own by force, and the server's vacuum by its owner alone."""
    statement = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    try:
        connection.execute(statement + sql.SQL(" WITH (FORCE)"))
    except psycopg.errors.InsufficientPrivilege:
        connection.execute(statement)


def environment(database: str, redis: str) -> dict[str, str]:
    """As in production, but for the number of writes that a token may make in a minute."""
    return {
        "DJANGO_SETTINGS_MODULE": "marketplace.settings",
        "DATABASE_URL": database,
        "REDIS_URL": redis,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "CARDHOUR_BASE_URL": "http://127.0.0.1",
        "ALLOWED_HOSTS": "127.0.0.1",
        "API_WRITES_A_MINUTE": "1000000000",
        "LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
    }
