"""The first rate cards: one for money, one like it for play money."""

from django.db import migrations

# They hold from long ago, so that a clock set back by a test or a demo finds them.
CARDS = """
INSERT INTO payments_ratecard (
    currency, specialties, tiers, floor_per_hour_micros, fee_rate, topup_cap, note, active_from,
    created_at
)
SELECT currency,
    '{"text": "1.00", "image": "1.00", "segmentation": "1.25", "transcription": "1.50",
      "speaker_identification": "1.60", "diarization": "1.60", "multimodal": "1.75"}',
    '[[0, "1.00"], [1, "1.10"], [2, "1.20"], [3, "1.30"]]',
    8000000, 0.2000, 0.2500, 'The rates to begin with.', timestamptz '2020-01-01 00:00:00Z', now()
FROM unnest(ARRAY['USD', 'XTS']) WITH ORDINALITY AS c(currency, n) ORDER BY n;
"""

NO_CARDS = """
ALTER TABLE payments_ratecard DISABLE TRIGGER ratecard_is_kept;
DELETE FROM payments_ratecard WHERE created_by_id IS NULL;
ALTER TABLE payments_ratecard ENABLE TRIGGER ratecard_is_kept;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_rules")]

    operations = [migrations.RunSQL(CARDS, NO_CARDS)]
