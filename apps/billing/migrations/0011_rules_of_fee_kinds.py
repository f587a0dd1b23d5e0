"""Reversals and daily equity are append-only; the check of an entry reads its lines once."""

from django.db import migrations

BALANCED = """
CREATE OR REPLACE FUNCTION billing_entry_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found_lines bigint;
    wrong text;
BEGIN
    EXECUTE format(
        'SELECT coalesce(sum(n), 0), string_agg(currency || '' '' || total, '', '')'
        '  FILTER (WHERE total <> 0) FROM ('
        '    SELECT currency, count(*) AS n, sum(amount_minor) AS total'
        '    FROM %1$I.billing_line WHERE entry_id = $1 GROUP BY currency) x', TG_TABLE_SCHEMA)
        INTO found_lines, wrong USING NEW.id;
    IF found_lines < 2 THEN
        RAISE EXCEPTION 'ledger entry %: has % lines, needs two or more', NEW.key, found_lines
            USING ERRCODE = 'check_violation';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'ledger entry %: does not balance: %', NEW.key, wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""

TABLES = ("billing_feereversal", "billing_dailyequity")
TRIGGERS = "".join(
    f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();\n"
    for table in TABLES
)
UNDO = "".join(f"DROP TRIGGER append_only ON {table};\n" for table in TABLES)


class Migration(migrations.Migration):
    dependencies = [("billing", "0010_fee_kinds")]
    operations = [migrations.RunSQL(BALANCED + TRIGGERS, UNDO)]
