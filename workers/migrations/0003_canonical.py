"""An answer as the text that its hash was taken of, so that the audit can take it again."""

from django.db import migrations

# Keys in the order of their bytes, no spaces: as the answer was written when it was submitted.
CANONICAL = """
CREATE FUNCTION workers_canonical(answer jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE jsonb_typeof(answer)
        WHEN 'object' THEN (
            SELECT '{' || coalesce(string_agg(
                to_jsonb(e.key)::text || ':' || workers_canonical(e.value), ','
                ORDER BY e.key COLLATE "C"), '') || '}'
            FROM jsonb_each(answer) e)
        WHEN 'array' THEN (
            SELECT '[' || coalesce(string_agg(
                workers_canonical(e.value), ',' ORDER BY e.place), '') || ']'
            FROM jsonb_array_elements(answer) WITH ORDINALITY AS e(value, place))
        ELSE answer::text
    END;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("workers", "0002_rules")]

    operations = [
        migrations.RunSQL(CANONICAL, "DROP FUNCTION workers_canonical(jsonb);"),
    ]
