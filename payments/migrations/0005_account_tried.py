"""When a page last had Stripe asked about an account, so that not every look waits for it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0004_payout_rules"),
    ]

    operations = [
        migrations.AddField(
            model_name="connectedaccount",
            name="tried_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
