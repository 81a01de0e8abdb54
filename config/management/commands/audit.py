"""Check every invariant of every plane against one snapshot; exits 1 when one is broken."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from core import audit

_SHOWN = 5


class Command(BaseCommand):
    """Reads only, in one REPEATABLE READ transaction, so it is safe beside a running site."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what may be asked for."""
        parser.add_argument("--json", action="store_true", help="print one JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a finding a line, or all as JSON."""
        findings = []
        for finding in audit.run_all():
            findings.append(finding)
            if not options["json"]:
                self.stdout.write(_line(finding))
                for row in finding.sample[:_SHOWN]:
                    self.stdout.write(f"       {_text(row)}")
        if options["json"]:
            self.stdout.write(_text([as_json(finding) for finding in findings], indent=2))
        broken = [finding.id for finding in findings if not finding.ok]
        if not broken:
            if not options["json"]:
                self.stdout.write(f"{len(findings)} invariants hold.")
            return
        if options["json"]:
            sys.exit(1)
        raise CommandError(f"Broken: {', '.join(broken)}")


def as_json(finding: audit.Finding) -> dict[str, Any]:
    """One finding as scripts read it; ``rows`` counts those that break it, ``sample`` has some."""
    return {
        "id": finding.id,
        "says": finding.says,
        "ok": finding.ok,
        "rows": finding.rows,
        "sample": finding.sample[:_SHOWN],
    }


def _line(finding: audit.Finding) -> str:
    verdict = "ok" if finding.ok else f"BROKEN by {finding.rows} rows"
    return f"{finding.id:<5} {verdict}  {finding.says}"


def _text(value: Any, *, indent: int | None = None) -> str:
    return json.dumps(value, cls=_Encoder, indent=indent)


class _Encoder(DjangoJSONEncoder):
    """Rows hold whatever a table does: what JSON does not know is shown as text."""

    def default(self, o: Any) -> Any:
        try:
            return super().default(o)
        except TypeError:
            return o.hex() if isinstance(o, bytes | memoryview) else str(o)
