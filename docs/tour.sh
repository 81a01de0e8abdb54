#!/usr/bin/env bash
# A requester's job from the first call to the results, and two workers who do it, in play money.
# Wants a site with the demo in it (`make run`); PIECEWORK is its address, and each run is a new job.
set -euo pipefail
site=${PIECEWORK:-http://127.0.0.1:8000}/api/v1
password=piecework-demo-46
token=

call() { # VERB path [curl's options]: one call with the present token
    local verb=$1 path=$2
    shift 2
    curl -sS --fail-with-body -X "$verb" "$site/$path" \
        -H "Authorization: Bearer $token" -H "Content-Type: ${type:-application/json}" "$@"
}
get() { # a Python expression over the answer d
    python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}
log_in() { # NAME: a token of that person
    token=
    token=$(call POST tokens -d "{\"email\": \"$1@demo.invalid\", \"password\": \"$password\"}" | get 'd["token"]')
}

echo "== The requester: a token that acts for the organization, and play money in the wallet"
log_in owner
organization=$(call GET organizations | get 'd["data"][0]["id"]')
token=$(call POST tokens -d "{\"organization\": \"$organization\"}" | get 'd["token"]')
requester=$token
run=$(date +%s)-$$
call POST wallet/topups -H "Idempotency-Key: tour-topup-$run" \
    -d '{"amount_micros": 50000000, "currency": "XTS"}' | get 'd["state"], d["amount"]["display"]'

echo "== A job: its draft, its tasks as a stream, what it will cost, and the launch"
job=$(call POST jobs -d '{
    "name": "Tour", "kind": "choices", "sandbox": true, "base_rate_micros": 50000,
    "seconds_per_unit": 6, "undo_seconds": 0,
    "interface": {"options": [{"value": "yes", "label": "Yes"}, {"value": "no", "label": "No"}]}
}' | get 'd["id"]')
printf '{"external_id": "q%s", "data": {"text": "Is %s an even number?"}}\n' 1 1 2 2 3 3 |
    type=application/x-ndjson call POST "jobs/$job/tasks" --data-binary @-
echo
call POST "jobs/$job/quote" -d '{}' | get 'd["expected"]["total"]["display"], d["hourly"]["display"]'
call POST "jobs/$job/launch" -H "Idempotency-Key: tour-launch-$run" \
    -d '{"budget_micros": 5000000}' | get 'd["state"]'

echo "== Two workers: claim, then submit with ?next=1, which brings the next task along"
for name in amara bruno; do
    log_in "$name"
    claim=
    for _ in 1 2 3; do
        until [ -n "$claim" ]; do # 204: the task is not open yet, or busy at this moment
            claim=$(call POST "jobs/$job/claim" -d '{}' | (grep . || echo '{"id": ""}') | get 'd["id"]')
            [ -n "$claim" ] || sleep 1
        done
        claim=$(call POST "assignments/$claim/submit?next=1" -d '{"answer": {"choice": "no"}}' |
            get '(d.get("next") or {}).get("id") or ""')
    done
done
call GET 'earnings?currency=XTS&limit=1' | get 'd["buckets"]["pending"]["display"]'

echo "== The results: what was agreed, how sure, by which votes, at what cost"
token=$requester
for _ in $(seq 30); do
    call GET "jobs/$job/results" -H 'Accept: application/x-ndjson' >"${TMPDIR:-/tmp}/tour-$run"
    [ "$(wc -l <"${TMPDIR:-/tmp}/tour-$run")" = 3 ] && break
    sleep 1
done
cat "${TMPDIR:-/tmp}/tour-$run"
count=$(wc -l <"${TMPDIR:-/tmp}/tour-$run")
rm "${TMPDIR:-/tmp}/tour-$run"
[ "$count" = 3 ]
