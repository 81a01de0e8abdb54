"""The clock that deadlines are decided by."""

from django.db import migrations

# plpgsql keeps its plan for the session; a plain SQL function with a sub-select is planned anew.
CLOCK = """
CREATE FUNCTION core_now() RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN now() + coalesce((SELECT shift FROM core_clockoffset), interval '0');
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [migrations.RunSQL(CLOCK, "DROP FUNCTION core_now();")]
