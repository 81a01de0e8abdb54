"""What must always be true of the data plane's rows. Each selects the rows that break it."""

from __future__ import annotations

from core.audit import invariant


@invariant(
    id="M1", says="a task's slots add up: taken and free are wanted, never more than the overlap"
)
def slots_add_up() -> str:
    """Also enforced by a constraint."""
    return """
        SELECT id, job_id, wanted, taken, remaining, max_overlap FROM marketplace_task
        WHERE taken < 0 OR remaining < 0 OR taken + remaining <> wanted OR wanted > max_overlap
    """


@invariant(
    id="M2", says="what the claim's index offers is open work with a free slot, and all of it"
)
def open_index_is_true() -> str:
    """Both ways: nothing is offered that is taken, nothing free is hidden."""
    return """
        SELECT id, job_id, state, role, remaining, is_open FROM marketplace_task
        WHERE is_open <> (state = 'open' AND role = 'work' AND remaining > 0)
           OR (state <> 'open' AND remaining > 0)
    """


@invariant(id="M3", says="no task has more counted answers than slots were taken")
def answers_fit_slots() -> str:
    """An answer is counted only when it holds a slot."""
    return """
        SELECT t.id, t.job_id, t.taken, count(*) AS counted
        FROM marketplace_task t JOIN marketplace_annotation a ON a.task_id = t.id AND a.is_counted
        WHERE t.role = 'work'
        GROUP BY t.id HAVING count(*) > t.taken
    """


@invariant(id="M4", says="one worker's answers to a task count once")
def one_answer_a_worker() -> str:
    """An author has at most one counted answer to a task."""
    return """
        SELECT task_id, author_ref, count(*) FROM marketplace_annotation
        WHERE is_counted GROUP BY task_id, author_ref HAVING count(*) > 1
    """


@invariant(id="M5", says="a decided task has exactly one current resolution, an undecided one none")
def one_current_resolution() -> str:
    """A resolved task's is final, an escalated one's is flagged as the best so far."""
    return """
        SELECT t.id, t.state, count(r.id) AS current, bool_or(r.is_escalated) AS escalated
        FROM marketplace_task t
        LEFT JOIN marketplace_resolution r ON r.task_id = t.id AND r.is_current
        WHERE t.role = 'work'
        GROUP BY t.id
        HAVING (t.state IN ('resolved', 'escalated')) <> (count(r.id) = 1)
            OR count(r.id) > 1
            OR (t.state = 'escalated' AND NOT bool_or(r.is_escalated))
            OR (t.state = 'resolved' AND bool_or(r.is_escalated))
    """


@invariant(id="M6", says="every free or unanswered slot of an open job has its reserve in escrow")
def slots_are_reserved() -> str:
    """The line holds at least the slots without a counted answer; answered ones are the labour
    plane's until they are paid.
    """
    return """
        SELECT t.job_id, sum(t.slot_reserve_micros * (t.wanted - coalesce(a.n, 0))) AS owed,
            coalesce(max(e.work_micros), 0) AS reserved
        FROM marketplace_task t
        JOIN marketplace_job j ON j.id = t.job_id AND j.purpose = 'work'
            AND j.launched_at IS NOT NULL
        LEFT JOIN LATERAL (
            SELECT count(*) AS n FROM marketplace_annotation a
            WHERE a.task_id = t.id AND a.is_counted
        ) a ON true
        LEFT JOIN payments_escrow e ON e.job_id = t.job_id
        WHERE t.role = 'work' AND t.wanted > 0
        GROUP BY t.job_id
        HAVING sum(t.slot_reserve_micros * (t.wanted - coalesce(a.n, 0)))
            > coalesce(max(e.work_micros), 0)
    """


@invariant(id="M7", says="a job that is over has no undecided task and no free slot")
def over_is_over() -> str:
    """Completed or cancelled: nothing can be claimed or judged any more."""
    return """
        SELECT t.id, t.job_id, t.state, j.state AS job_state
        FROM marketplace_task t JOIN marketplace_job j ON j.id = t.job_id
        WHERE j.state IN ('completed', 'cancelled') AND j.launched_at IS NOT NULL
          AND t.role = 'work' AND t.state IN ('open', 'parked')
    """


@invariant(id="M8", says="gold and exam questions have a known answer, work has none")
def known_answers() -> str:
    """And they have no slots."""
    return """
        SELECT t.id, t.job_id, t.role FROM marketplace_task t
        LEFT JOIN marketplace_goldanswer g ON g.task_id = t.id
        WHERE (t.role = 'work') <> (g.task_id IS NULL) OR (t.role <> 'work' AND t.wanted > 0)
    """


@invariant(id="M9", says="states change along the tables of transitions: the guards are in place")
def guards_are_in_place() -> str:
    """A disabled or dropped trigger would let a row move where it must not."""
    return """
        SELECT wanted.name FROM unnest(ARRAY[
            'marketplace_job_state_moves', 'marketplace_task_state_moves',
            'marketplace_export_state_moves', 'marketplace_webhookdelivery_state_moves',
            'interface_is_fixed', 'job_is_frozen', 'annotation_is_kept', 'annotation_stays',
            'resolution_is_kept', 'resolution_stays', 'resolution_stays_past'
        ]) AS wanted(name)
        LEFT JOIN pg_trigger g ON g.tgname = wanted.name AND g.tgenabled <> 'D'
        WHERE g.oid IS NULL
    """


@invariant(id="M10", says="a job's state and its facts agree")
def job_facts() -> str:
    """Launched before it runs, closed when it is over, on its way somewhere while closing."""
    return """
        SELECT id, state, next_state, launched_at, closed_at FROM marketplace_job
        WHERE (state NOT IN ('draft', 'cancelled') AND launched_at IS NULL)
           OR ((state IN ('completed', 'cancelled')) <> (closed_at IS NOT NULL))
           OR (state = 'closing' AND next_state NOT IN ('completed', 'cancelled'))
           OR (state = 'suspended' AND (next_state NOT IN ('live', 'paused') OR state_reason = ''))
    """


@invariant(id="M11", says="every answer and conclusion was made with its own job's interface")
def one_interface() -> str:
    """An interface is fixed at the launch, so what was said can always be read by it."""
    return """
        SELECT a.id, a.task_id, a.interface_id, j.interface_id AS wanted
        FROM marketplace_annotation a
        JOIN marketplace_task t ON t.id = a.task_id JOIN marketplace_job j ON j.id = t.job_id
        WHERE a.interface_id <> j.interface_id
        UNION ALL
        SELECT r.id, r.task_id, r.interface_id, j.interface_id
        FROM marketplace_resolution r
        JOIN marketplace_task t ON t.id = r.task_id JOIN marketplace_job j ON j.id = t.job_id
        WHERE r.interface_id <> j.interface_id
    """


@invariant(id="M12", says="no notice is still waiting a day after it was to be given up")
def notices_end() -> str:
    """It was delivered or shows as failed; those of an endpoint that is switched off may wait."""
    return """
        SELECT d.id, d.endpoint_id, d.event_type, d.give_up_at FROM marketplace_webhookdelivery d
        JOIN marketplace_webhookendpoint e ON e.id = d.endpoint_id AND e.is_enabled
        WHERE d.state = 'pending' AND d.give_up_at < core_now() - interval '1 day'
    """
