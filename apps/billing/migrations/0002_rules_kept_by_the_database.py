"""What the database itself refuses: unbalanced entries, late lines, any change of what is posted.

The functions name their tables through TG_TABLE_SCHEMA, so that a cloned schema and a connection
with any search_path check their own rows.
"""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION billing_entry_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.transaction_no := txid_current();
    RETURN NEW;
END $$;

CREATE FUNCTION billing_entry_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
    found_lines bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %1$I.billing_line WHERE entry_id = $1', TG_TABLE_SCHEMA)
        INTO found_lines USING NEW.id;
    IF found_lines < 2 THEN
        RAISE EXCEPTION 'ledger entry %: has % lines, needs two or more', NEW.key, found_lines
            USING ERRCODE = 'check_violation';
    END IF;
    EXECUTE format(
        'SELECT string_agg(currency || '' '' || total, '', '') FROM ('
        '  SELECT l.currency, sum(l.amount_minor) AS total FROM %1$I.billing_line l'
        '  WHERE l.entry_id = $1 GROUP BY l.currency HAVING sum(l.amount_minor) <> 0) x',
        TG_TABLE_SCHEMA) INTO wrong USING NEW.id;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'ledger entry %: does not balance: %', NEW.key, wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION billing_lines_in_time() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    EXECUTE format(
        'SELECT min(e.key) FROM new_lines l JOIN %1$I.billing_entry e ON e.id = l.entry_id'
        ' WHERE e.transaction_no <> txid_current()', TG_TABLE_SCHEMA) INTO wrong;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'ledger entry % is posted: no line can be added', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    EXECUTE format(
        'SELECT min(a.code) FROM new_lines l JOIN %1$I.billing_ledgeraccount a'
        ' ON a.id = l.account_id WHERE a.currency <> l.currency', TG_TABLE_SCHEMA) INTO wrong;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'ledger account %: a line in another currency', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION billing_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION billing_charge_figures_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'state' - 'collected_minor' <> to_jsonb(OLD) - 'state' - 'collected_minor'
    THEN
        RAISE EXCEPTION 'fee charge %: figures never change', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

APPEND_ONLY = (
    "billing_entry",
    "billing_line",
    "billing_highwatermark",
    "billing_feeplan",
    "billing_feeshare",
    "billing_document",
    "billing_documentfile",
)

TRIGGERS = """
CREATE TRIGGER entry_stamp BEFORE INSERT ON billing_entry
    FOR EACH ROW EXECUTE FUNCTION billing_entry_stamp();
CREATE CONSTRAINT TRIGGER entry_balanced AFTER INSERT ON billing_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_entry_balanced();
CREATE TRIGGER lines_in_time AFTER INSERT ON billing_line
    REFERENCING NEW TABLE AS new_lines
    FOR EACH STATEMENT EXECUTE FUNCTION billing_lines_in_time();
CREATE TRIGGER figures_stay BEFORE UPDATE ON billing_feecharge
    FOR EACH ROW EXECUTE FUNCTION billing_charge_figures_stay();
CREATE TRIGGER charges_stay BEFORE DELETE OR TRUNCATE ON billing_feecharge
    FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();
""" + "".join(
    f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();\n"
    for table in APPEND_ONLY
)

UNDO = (
    "".join(f"DROP TRIGGER append_only ON {table};\n" for table in APPEND_ONLY)
    + """
DROP TRIGGER charges_stay ON billing_feecharge;
DROP TRIGGER figures_stay ON billing_feecharge;
DROP TRIGGER lines_in_time ON billing_line;
DROP TRIGGER entry_balanced ON billing_entry;
DROP TRIGGER entry_stamp ON billing_entry;
DROP FUNCTION billing_charge_figures_stay();
DROP FUNCTION billing_append_only();
DROP FUNCTION billing_lines_in_time();
DROP FUNCTION billing_entry_balanced();
DROP FUNCTION billing_entry_stamp();
"""
)


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]
    operations = [migrations.RunSQL(FUNCTIONS + TRIGGERS, UNDO)]
