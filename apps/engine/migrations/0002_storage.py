"""Journal bodies are packed already: compressing them again would only cost time."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("engine", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE engine_journal ALTER COLUMN body SET STORAGE EXTERNAL",
            migrations.RunSQL.noop,
        )
    ]
