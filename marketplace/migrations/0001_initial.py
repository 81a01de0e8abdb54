import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

import core.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE marketplace_task_pos_seq AS bigint",
            "DROP SEQUENCE IF EXISTS marketplace_task_pos_seq",
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "pos",
                    models.BigIntegerField(
                        db_default=models.Func(
                            models.Value("marketplace_task_pos_seq"), function="nextval"
                        )
                    ),
                ),
                ("external_id", models.TextField(blank=True, null=True)),
                ("data", models.JSONField(default=dict)),
                ("media", models.JSONField(default=dict)),
                (
                    "role",
                    models.TextField(
                        choices=[("work", "Work"), ("gold", "Gold"), ("exam", "Exam")],
                        default="work",
                    ),
                ),
                ("units", models.DecimalField(decimal_places=3, default=1, max_digits=14)),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("open", "Open"),
                            ("parked", "Parked"),
                            ("escalated", "Escalated"),
                            ("resolved", "Resolved"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="parked",
                    ),
                ),
                ("wanted", models.SmallIntegerField(default=0)),
                ("taken", models.SmallIntegerField(default=0)),
                ("remaining", models.SmallIntegerField(default=0)),
                ("max_overlap", models.SmallIntegerField(default=1)),
                ("is_open", models.BooleanField(default=False)),
                ("is_audit", models.BooleanField(default=False)),
                ("slot_reserve_micros", models.BigIntegerField(default=0)),
                ("round", models.SmallIntegerField(default=1)),
                ("opened_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
                ("state_changed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.TextField()),
                ("instructions", models.TextField(blank=True, default="")),
                (
                    "purpose",
                    models.TextField(choices=[("work", "Work"), ("exam", "Exam")], default="work"),
                ),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("draft", "Draft"),
                            ("live", "Live"),
                            ("paused", "Paused"),
                            ("closing", "Closing"),
                            ("completed", "Completed"),
                            ("cancelled", "Cancelled"),
                            ("suspended", "Suspended"),
                        ],
                        default="draft",
                    ),
                ),
                ("state_changed_at", models.DateTimeField()),
                ("next_state", models.TextField(blank=True, default="")),
                ("state_reason", models.TextField(blank=True, default="")),
                ("specialty", models.TextField(default="text")),
                (
                    "unit",
                    models.TextField(
                        choices=[
                            ("item", "Item"),
                            ("word_block", "Word Block"),
                            ("region", "Region"),
                            ("audio_second", "Audio Second"),
                        ],
                        default="item",
                    ),
                ),
                ("base_rate_micros", models.BigIntegerField()),
                ("seconds_per_unit", models.DecimalField(decimal_places=3, max_digits=12)),
                ("difficulty", models.DecimalField(decimal_places=2, default=1, max_digits=4)),
                ("bonus_pct", models.DecimalField(decimal_places=4, default=0, max_digits=5)),
                ("currency", models.CharField(max_length=3)),
                ("card_version", models.IntegerField(default=0)),
                ("sandbox", models.BooleanField(default=False)),
                (
                    "acceptance",
                    models.TextField(
                        choices=[("auto", "Auto"), ("review", "Review")], default="auto"
                    ),
                ),
                ("review_days", models.IntegerField(default=7)),
                ("kmin", models.SmallIntegerField(default=2)),
                ("max_overlap", models.SmallIntegerField(default=5)),
                ("time_limit_seconds", models.IntegerField(default=900)),
                ("undo_seconds", models.IntegerField(default=5)),
                (
                    "required_qualifications",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), blank=True, default=list, size=None
                    ),
                ),
                (
                    "languages",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                ("priority", models.SmallIntegerField(default=0)),
                ("gold_share", models.DecimalField(decimal_places=3, default=0, max_digits=4)),
                ("quality", models.JSONField(default=dict)),
                ("allow_ahead", models.BooleanField(default=False)),
                ("auto_close", models.BooleanField(default=True)),
                ("budget_alert", models.TextField(blank=True, default="")),
                ("head_pos", models.BigIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("launched_at", models.DateTimeField(blank=True, null=True)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="GoldAnswer",
            fields=[
                (
                    "task",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="gold_answer",
                        serialize=False,
                        to="marketplace.task",
                    ),
                ),
                ("answer", models.JSONField()),
                ("explanation", models.TextField(blank=True, default="")),
            ],
        ),
        migrations.CreateModel(
            name="Interface",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.TextField()),
                ("spec", models.JSONField()),
                ("version", models.IntegerField(default=1)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("version__gte", 1)), name="interface_version"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind", ""), _negated=True), name="interface_kind"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="JobStats",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="stats",
                        serialize=False,
                        to="marketplace.job",
                    ),
                ),
                ("total_tasks", models.BigIntegerField(default=0)),
                ("parked_tasks", models.BigIntegerField(default=0)),
                ("open_tasks", models.BigIntegerField(default=0)),
                ("escalated_tasks", models.BigIntegerField(default=0)),
                ("resolved_tasks", models.BigIntegerField(default=0)),
                ("cancelled_tasks", models.BigIntegerField(default=0)),
                ("gold_tasks", models.BigIntegerField(default=0)),
                ("answers", models.BigIntegerField(default=0)),
                ("median_seconds", models.FloatField(blank=True, null=True)),
                ("accepted", models.BigIntegerField(default=0)),
                ("refreshed_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="task",
            name="job",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="marketplace.job",
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="interface",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="marketplace.interface",
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="organization",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="core.organization",
            ),
        ),
        migrations.CreateModel(
            name="Export",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("format", models.TextField()),
                ("options", models.JSONField(default=dict)),
                ("layout", models.JSONField(default=dict)),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                    ),
                ),
                ("rows_total", models.IntegerField(default=0)),
                ("rows_done", models.IntegerField(default=0)),
                ("cursor", models.UUIDField(blank=True, null=True)),
                ("parts", models.JSONField(default=list)),
                ("attempts", models.SmallIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField()),
                ("error", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="core.organization",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.job",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Media",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("stored_name", models.TextField(unique=True)),
                ("content_type", models.TextField()),
                ("bytes", models.BigIntegerField()),
                ("sha256", models.BinaryField(max_length=32)),
                (
                    "seconds",
                    models.DecimalField(blank=True, decimal_places=3, max_digits=12, null=True),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "created_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="core.organization",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Prediction",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("model_version", models.TextField()),
                ("value", models.JSONField()),
                ("score", models.FloatField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "interface",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.interface",
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.task",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Qualification",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.TextField()),
                ("description", models.TextField(blank=True, default="")),
                ("specialty", models.TextField(default="text")),
                ("pass_mark", models.FloatField(default=0.8)),
                ("questions", models.IntegerField(default=5)),
                ("retry_days", models.IntegerField(default=1)),
                ("valid_days", models.IntegerField(blank=True, null=True)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                (
                    "exam_job",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.job",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="core.organization",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Resolution",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("round", models.SmallIntegerField(default=1)),
                ("value", models.JSONField(null=True)),
                ("confidence", models.FloatField(blank=True, null=True)),
                ("rule", models.TextField()),
                ("votes", models.JSONField(default=list)),
                ("answers", models.SmallIntegerField(default=0)),
                ("is_escalated", models.BooleanField(default=False)),
                ("is_current", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "interface",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.interface",
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.task",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WebhookEndpoint",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("url", models.TextField()),
                ("description", models.TextField(blank=True, default="")),
                (
                    "events",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), default=list, size=None
                    ),
                ),
                ("secret", models.TextField()),
                ("previous_secret", models.TextField(blank=True, default="")),
                ("previous_secret_until", models.DateTimeField(blank=True, null=True)),
                ("is_enabled", models.BooleanField(default=True)),
                ("disabled_reason", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="core.organization",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("event_type", models.TextField()),
                ("payload", models.JSONField()),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("pending", "Pending"),
                            ("delivered", "Delivered"),
                            ("failed", "Failed"),
                        ],
                        default="pending",
                    ),
                ),
                ("attempts", models.SmallIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField()),
                ("give_up_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("delivered_at", models.DateTimeField(blank=True, null=True)),
                ("last_status", models.SmallIntegerField(blank=True, null=True)),
                ("last_error", models.TextField(blank=True, default="")),
                ("log", models.JSONField(default=list)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="core.organization",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.webhookendpoint",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Annotation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("assignment_ref", models.UUIDField(unique=True)),
                ("author_ref", models.UUIDField()),
                ("answer", models.JSONField()),
                ("is_late", models.BooleanField(default=False)),
                ("is_counted", models.BooleanField(default=False)),
                ("is_excluded", models.BooleanField(default=False)),
                ("round", models.SmallIntegerField(default=1)),
                ("created_at", models.DateTimeField()),
                (
                    "task",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.task",
                    ),
                ),
                (
                    "interface",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.interface",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["task"], name="annotation_task")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("is_excluded", False), ("is_counted", True), _connector="OR"
                        ),
                        name="annotation_excluded",
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("is_open", True)), fields=["job", "pos"], name="task_open"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("role", "work"), _negated=True),
                fields=["job", "pos"],
                name="task_known",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("state", "parked")), fields=["job", "pos"], name="task_parked"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("role", "work")), fields=["job", "state"], name="task_progress"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["job", "id"], name="task_page"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("state__in", ["resolved", "escalated"])),
                fields=["job", "id"],
                name="task_decided",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("remaining__gte", 0),
                    ("taken__gte", 0),
                    (
                        "wanted",
                        django.db.models.expressions.CombinedExpression(
                            models.F("taken"), "+", models.F("remaining")
                        ),
                    ),
                    ("wanted__lte", models.F("max_overlap")),
                ),
                name="task_slots",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("is_open", False), ("remaining", 0)),
                    models.Q(
                        ("is_open", True), ("remaining__gt", 0), ("role", "work"), ("state", "open")
                    ),
                    _connector="OR",
                ),
                name="task_is_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("role", "work"),
                    models.Q(("role__in", ["gold", "exam"]), ("wanted", 0)),
                    _connector="OR",
                ),
                name="task_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["open", "parked", "escalated", "resolved", "cancelled"])
                ),
                name="task_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("wanted", 0), ("opened_at__isnull", False), _connector="OR"),
                name="task_opened_facts",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("round__gte", 1), ("slot_reserve_micros__gte", 0), ("units__gt", 0)
                ),
                name="task_price_basis",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(
                condition=models.Q(("external_id__isnull", False)),
                fields=("job", "external_id"),
                name="task_external_id",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["organization", "-id"], name="job_of"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("purpose", "work"), ("state", "live")),
                fields=["-priority", "-base_rate_micros", "id"],
                name="job_feed",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state__in", ["live", "paused", "suspended", "closing"])),
                fields=["state"],
                name="job_active",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["draft", "live", "paused", "closing", "completed"]),
                    ("state__in", ["cancelled", "suspended"]),
                    _connector="OR",
                ),
                name="job_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["draft", "cancelled"]),
                    ("launched_at__isnull", False),
                    _connector="OR",
                ),
                name="job_launched_facts",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("closed_at__isnull", False), ("state__in", ["completed", "cancelled"])
                    ),
                    models.Q(
                        models.Q(("state__in", ["completed", "cancelled"]), _negated=True),
                        ("closed_at", None),
                    ),
                    _connector="OR",
                ),
                name="job_closed_facts",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "closing"), _negated=True),
                    ("next_state__in", ["completed", "cancelled"]),
                    _connector="OR",
                ),
                name="job_closing_facts",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "suspended"), _negated=True),
                    models.Q(
                        ("next_state__in", ["live", "paused"]),
                        models.Q(("state_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="job_suspended_facts",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kmin__gte", 1),
                    ("kmin__lte", models.F("max_overlap")),
                    ("max_overlap__lte", 50),
                ),
                name="job_overlap",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("base_rate_micros__gte", 0),
                    ("seconds_per_unit__gt", 0),
                    ("bonus_pct__gte", 0),
                    ("bonus_pct__lte", 1),
                    ("difficulty__gte", 1),
                ),
                name="job_price_basis",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("review_days__gte", 1),
                    ("time_limit_seconds__gte", 1),
                    ("undo_seconds__gte", 0),
                ),
                name="job_times",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(("gold_share__gte", 0), ("gold_share__lte", 0.5)),
                name="job_gold_share",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("currency", "XTS"), ("sandbox", True)),
                    models.Q(("sandbox", False), models.Q(("currency", "XTS"), _negated=True)),
                    _connector="OR",
                ),
                name="job_play_money",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="job_name"
            ),
        ),
        migrations.AddIndex(
            model_name="export",
            index=models.Index(
                condition=models.Q(("state__in", ["queued", "running"])),
                fields=["next_attempt_at"],
                name="export_due",
            ),
        ),
        migrations.AddIndex(
            model_name="export",
            index=models.Index(fields=["organization", "-id"], name="export_of"),
        ),
        migrations.AddConstraint(
            model_name="export",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["queued", "running", "done", "failed"])),
                name="export_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="export",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at", None), ("state__in", ["queued", "running"])),
                    models.Q(("finished_at__isnull", False), ("state__in", ["done", "failed"])),
                    _connector="OR",
                ),
                name="export_finished_facts",
            ),
        ),
        migrations.AddConstraint(
            model_name="export",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["running", "done"]), _negated=True),
                    ("started_at__isnull", False),
                    _connector="OR",
                ),
                name="export_started_facts",
            ),
        ),
        migrations.AddConstraint(
            model_name="export",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "failed"), _negated=True),
                    models.Q(("error", ""), _negated=True),
                    _connector="OR",
                ),
                name="export_failed_facts",
            ),
        ),
        migrations.AddConstraint(
            model_name="export",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("attempts__gte", 0), ("rows_done__gte", 0), ("rows_total__gte", 0)
                ),
                name="export_counts",
            ),
        ),
        migrations.AddIndex(
            model_name="media",
            index=models.Index(fields=["organization", "-id"], name="media_of"),
        ),
        migrations.AddConstraint(
            model_name="media",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("bytes__gt", 0),
                    models.Q(("seconds", None), ("seconds__gt", 0), _connector="OR"),
                ),
                name="media_size",
            ),
        ),
        migrations.AddConstraint(
            model_name="prediction",
            constraint=models.UniqueConstraint(
                fields=("task", "model_version"), name="prediction_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="prediction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("score", None), models.Q(("score__gte", 0), ("score__lte", 1)), _connector="OR"
                ),
                name="prediction_score",
            ),
        ),
        migrations.AddConstraint(
            model_name="qualification",
            constraint=models.CheckConstraint(
                condition=models.Q(("pass_mark__gte", 0), ("pass_mark__lte", 1)),
                name="qualification_pass_mark",
            ),
        ),
        migrations.AddConstraint(
            model_name="qualification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("questions__gte", 1),
                    ("retry_days__gte", 0),
                    models.Q(("valid_days", None), ("valid_days__gte", 1), _connector="OR"),
                ),
                name="qualification_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="qualification",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="qualification_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="qualification",
            constraint=models.UniqueConstraint(
                fields=("organization", "name"),
                name="qualification_name_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddIndex(
            model_name="resolution",
            index=models.Index(fields=["task", "id"], name="resolution_history"),
        ),
        migrations.AddConstraint(
            model_name="resolution",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_current", True)),
                fields=("task",),
                name="resolution_one_current",
            ),
        ),
        migrations.AddConstraint(
            model_name="resolution",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("confidence", None),
                    models.Q(("confidence__gte", 0), ("confidence__lte", 1)),
                    _connector="OR",
                ),
                name="resolution_confidence",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("previous_secret", ""),
                    ("previous_secret_until__isnull", False),
                    _connector="OR",
                ),
                name="webhookendpoint_previous_secret_ends",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("url", ""), _negated=True),
                    models.Q(
                        models.Q(("secret", ""), _negated=True),
                        ("deleted_at__isnull", False),
                        _connector="OR",
                    ),
                ),
                name="webhookendpoint_complete",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("deleted_at", None), ("is_enabled", False), _connector="OR"),
                name="webhookendpoint_removed",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("state", "pending")),
                fields=["endpoint", "next_attempt_at"],
                name="webhookdelivery_due",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(fields=["endpoint", "-id"], name="webhookdelivery_log"),
        ),
        migrations.AddConstraint(
            model_name="webhookdelivery",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["pending", "delivered", "failed"])),
                name="webhookdelivery_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookdelivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "delivered"), _negated=True),
                    ("delivered_at__isnull", False),
                    _connector="OR",
                ),
                name="webhookdelivery_delivered_facts",
            ),
        ),
    ]
