"""Triggers that nobody talks out of it.

A trigger of pgtrigger asks the setting ``pgtrigger.ignore`` first, which any role may set, and looks up
tables along the caller's ``search_path``, in which a temporary table comes first. Both are fine for rules
that protect us from ourselves. What guards money must hold against raw SQL with the application's rights:
these triggers ask no setting, and their functions bring their own ``search_path``. Who owns the tables can
still drop them, so production runs as a role that owns none (``docs/ledger.md``).
"""

from __future__ import annotations

from collections.abc import Mapping

import pgtrigger
from django.db import models
from pgtrigger import compiler


class GuardSql(compiler.UpsertTriggerSql):
    """What pgtrigger installs, without the way around it."""

    def get_template(self) -> str:
        return """
            CREATE OR REPLACE FUNCTION {pgid}()
            RETURNS TRIGGER AS $$
                {declare}
                BEGIN
                    {func}
                END;
            $$ LANGUAGE plpgsql SET search_path = public, pg_temp;

            DROP TRIGGER IF EXISTS {pgid} ON {table};
            CREATE {constraint} TRIGGER {pgid}
                {when} {operation} ON {table}
                {timing}
                {referencing}
                FOR EACH {level} {condition}
                EXECUTE PROCEDURE {execute};

            COMMENT ON TRIGGER {pgid} ON {table} IS '{hash}';
        """


class Guard(pgtrigger.Trigger):
    """A trigger without exceptions."""

    def compile(self, model: type[models.Model]) -> compiler.Trigger:  # type: ignore[override]
        compiled = super().compile(model)  # type: ignore[arg-type]  # annotated as an instance
        return compiler.Trigger(name=self.name, sql=GuardSql(**compiled.sql.kwargs))


def refusing(name: str, operation: pgtrigger.core.Operation, problem: str) -> Guard:
    """Refuses every statement of the kind that touches a row."""
    return Guard(
        name=name,
        when=pgtrigger.Before,
        operation=operation,
        func=f"""
            RAISE EXCEPTION 'Cannot update or delete %: {problem}', TG_TABLE_NAME
                USING ERRCODE = 'check_violation', CONSTRAINT = 'kept_for_ever';
        """,
    )


NEVER_CHANGED = refusing(
    "never_changed", pgtrigger.Update | pgtrigger.Delete, "its rows are kept as they are"
)
NEVER_DELETED = refusing("never_deleted", pgtrigger.Delete, "its rows are kept for ever")
# Triggers on rows do not see a TRUNCATE; this one does.
NEVER_EMPTIED = Guard(
    name="never_truncated",
    level=pgtrigger.Statement,
    when=pgtrigger.Before,
    operation=pgtrigger.Truncate,
    func="""
        RAISE EXCEPTION 'Cannot truncate %: its rows are kept for ever', TG_TABLE_NAME
            USING ERRCODE = 'check_violation', CONSTRAINT = 'kept_for_ever';
    """,
)


def changes_once(name: str, *, unless: str, only: str, problem: str, constraint: str) -> Guard:
    """Each row changes in the columns ``only``, and once.

    ``unless`` is the condition, of OLD and NEW, under which it is not that one change.
    """
    return Guard(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func=f"""
        IF {unless}
            OR (to_jsonb(NEW) - {only})
                IS DISTINCT FROM (to_jsonb(OLD) - {only})
        THEN
            RAISE EXCEPTION '{problem}'
                USING ERRCODE = 'check_violation', CONSTRAINT = '{constraint}';
        END IF;
        RETURN NEW;
    """,
    )


def refers_to(tables: Mapping[str, str]) -> Guard:
    """Each new row's ``column`` is the id of a row of a ``table``.

    For tables of which a statement writes a million rows. A foreign key looks each of them up by itself and
    remembers it until then, which is half of what writing a charge costs; this asks once for each value. It
    does not watch the other table: only for rows that are never deleted.
    """
    checks = (_IS_THERE.format(column=column, table=table) for column, table in tables.items())
    return Guard(
        name="refers",
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=pgtrigger.Insert,
        referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]
        func="".join(checks) + "RETURN NULL;",
    )


_IS_THERE = """
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT {column} AS id FROM added) AS given
        WHERE NOT EXISTS (SELECT FROM {table} WHERE {table}.id = given.id)
    ) THEN
        RAISE EXCEPTION '% has a {column} of nothing', TG_TABLE_NAME
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = '{column}_is_there';
    END IF;
"""
