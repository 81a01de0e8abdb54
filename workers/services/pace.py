"""How long answers take, measured for every running job now and then."""

from __future__ import annotations

from django.db import connection

from marketplace.services import stats

#: The newest claims of a job that are looked at, and the fewest accepted answers that say anything.
WINDOW, EVIDENCE = 1000, 5
#: Seconds that an answer takes at least, for what is worked out from them.
LEAST = 0.1

# Seconds from the claim to the answer, never more than the time limit: who goes away for a while
# does not make the work slow.
_MEASURE = """
SELECT j.id, m.median, m.accepted, s.median_seconds, s.accepted
FROM (
    SELECT id, time_limit_seconds FROM marketplace_job
    WHERE state IN ('live', 'paused', 'suspended', 'closing') AND purpose = 'work'
    ORDER BY random() LIMIT %(jobs)s
) j
JOIN marketplace_jobstats s ON s.job_id = j.id
CROSS JOIN LATERAL (
    SELECT count(*) AS accepted,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY least(
            extract(epoch FROM a.submitted_at - a.claimed_at), j.time_limit_seconds)) AS median
    FROM (
        SELECT state, claimed_at, submitted_at FROM workers_assignment
        WHERE job_id = j.id ORDER BY id DESC LIMIT %(window)s
    ) a
    WHERE a.state = 'accepted'
) m
"""


def measure(*, jobs: int = 200) -> int:
    """Sweep: enter the median seconds of accepted answers in the figures of running jobs.

    Looks at the newest claims of a job only, and at that many jobs of a larger market at a time.
    Returns how many jobs have other figures than before: 0 when nothing new was measured.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MEASURE, {"jobs": jobs, "window": WINDOW})
        rows = cursor.fetchall()
    changed = 0
    for job_id, median, accepted, median_before, accepted_before in rows:
        seconds = None if accepted < EVIDENCE else round(max(float(median), LEAST), 1)
        if (seconds, accepted) != (median_before, accepted_before):
            stats.record_pace(job_id=job_id, median_seconds=seconds, accepted=accepted)
            changed += 1
    return changed
