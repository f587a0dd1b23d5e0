"""What the database keeps of documents: a credit note reverses one document exactly; no counter
goes back; columns of 0020 filled for documents issued before it."""

from django.db import migrations

RULES = """
CREATE FUNCTION billing_credit_note_mirrors() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found boolean;
BEGIN
    EXECUTE format(
        'SELECT EXISTS (SELECT 1 FROM %1$I.billing_document d WHERE d.id = $1'
        ' AND d.kind <> ''credit_note'' AND d.owner_id = $2 AND d.legal_entity = $3'
        ' AND d.currency = $4 AND d.total_minor = -$5)', TG_TABLE_SCHEMA)
        INTO found
        USING NEW.mirrors_id, NEW.owner_id, NEW.legal_entity, NEW.currency, NEW.total_minor;
    IF NOT found THEN
        RAISE EXCEPTION 'credit note %-%-%: does not mirror its document',
            NEW.series, NEW.year, NEW.number USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER credit_note_mirrors BEFORE INSERT ON billing_document
    FOR EACH ROW WHEN (NEW.mirrors_id IS NOT NULL)
    EXECUTE FUNCTION billing_credit_note_mirrors();

CREATE FUNCTION billing_counter_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.last < OLD.last OR (NEW.legal_entity, NEW.series, NEW.year)
        IS DISTINCT FROM (OLD.legal_entity, OLD.series, OLD.year) THEN
        RAISE EXCEPTION 'document numbers of %-% only go on', OLD.series, OLD.year
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER counter_goes_on BEFORE UPDATE ON billing_documentcounter
    FOR EACH ROW EXECUTE FUNCTION billing_counter_goes_on();
CREATE TRIGGER counter_stays BEFORE DELETE OR TRUNCATE ON billing_documentcounter
    FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();

ALTER TABLE billing_document DISABLE TRIGGER append_only;
UPDATE billing_document d
   SET currency = c.currency, total_minor = c.amount_minor, run_id = c.run_id
  FROM billing_feecharge c WHERE c.id = d.charge_id;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE billing_document ENABLE TRIGGER append_only;
"""

UNDO = """
DROP TRIGGER counter_stays ON billing_documentcounter;
DROP TRIGGER counter_goes_on ON billing_documentcounter;
DROP TRIGGER credit_note_mirrors ON billing_document;
DROP FUNCTION billing_counter_goes_on();
DROP FUNCTION billing_credit_note_mirrors();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0020_documents_of_every_kind")]
    operations = [migrations.RunSQL(RULES, UNDO)]
