#!/usr/bin/env bash
# container-run.sh REPOSITORY ROOT WORK: the second half of scripts/container-test. Runs the image's file system ROOT
# (read-only, unprivileged) behind nginx in a network of its own, and talks to it over HTTPS.
# WORK holds image.json, and takes the logs. To be started by `unshare --net --pid --fork --mount-proc`.
set -euo pipefail
library=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=scripts/lib/common.sh
source "$library/common.sh"

repository=$1 root=$2 work=$3
image=$work/image.json
readonly ORIGIN=https://chargefold.example
readonly EVENTS=$ORIGIN/webhooks/session-events
readonly SESSION=L60XMxWy0oP

ip link set lo up

# --- what it is run with: as in config/compose.yaml ---

secrets=$work/secrets data=$work/data tls=$work/tls
mkdir -p "$secrets" "$data" "$tls"
openssl rand -hex 32 | tr -d '\n' >"$secrets/webhook_secret_current"
openssl rand -hex 32 | tr -d '\n' >"$secrets/api_token"
chown -R 10001:10001 "$secrets" "$data"
chmod 0400 "$secrets"/*
chmod 0750 "$data"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj /CN=chargefold.example \
    -addext subjectAltName=DNS:chargefold.example -keyout "$tls/privkey.pem" -out "$tls/fullchain.pem" 2>/dev/null
chown -R 101:101 "$tls"
chmod 0711 "$work"
SETTINGS="CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE=/run/secrets/webhook_secret_current
CHARGEFOLD_API_TOKEN_FILE=/run/secrets/api_token
"
export SETTINGS

# container USER COMMAND...: see container-enter.sh.
container=(unshare --mount --pid --fork --kill-child --
    bash "$library/container-enter.sh" "$root" "$data" "$secrets" "$image")
in_container() { "${container[@]}" "$@"; }

mapfile -t entry < <(jq --raw-output '.Docker.config | (.Entrypoint + .Cmd)[]' "$image")
mapfile -t health < <(jq --raw-output '.Docker.config.Healthcheck.Test[1:][]' "$image")
server_log=$work/chargefold.log
NGINX='' SERVER='' SERVER_PARENT=''

# start_container: sets SERVER, the process id of chargefold, and SERVER_PARENT, whose exit status is chargefold's.
start_container() {
    "${container[@]}" image "${entry[@]}" >>"$server_log" 2>&1 &
    SERVER_PARENT=$!
    at_exit stop_process "$SERVER_PARENT" 1
    wait_until 30 container_is_ready_or_gone || true
    if ! SERVER=$(pgrep --parent "$SERVER_PARENT") || ! container_answers; then
        tail -n 40 "$server_log" >&2
        die "chargefold did not become ready"
    fi
}
container_answers() { curl --silent --fail --output /dev/null --max-time 2 http://127.0.0.1:8080/readyz; }
container_is_ready_or_gone() { process_has_ended "$SERVER_PARENT" || container_answers; }

start_nginx() {
    : >"$work/access.log"
    chmod 0666 "$work/access.log"
    : >"$work/nginx.log"
    chmod 0666 "$work/nginx.log"
    unshare --mount -- bash "$library/nginx-enter.sh" "$repository/config/nginx.conf" "$tls" \
        >"$work/access.log" 2>"$work/nginx.log" &
    NGINX=$!
    at_exit stop_process "$NGINX"
    if ! wait_for_url "$ORIGIN/healthz" 10 "${curl_options[@]}"; then
        tail -n 40 "$work/nginx.log" >&2
        die "nginx did not answer"
    fi
}

# --- requests ---

curl_options=(--cacert "$tls/fullchain.pem" --resolve chargefold.example:443:127.0.0.1 --resolve chargefold.example:80:127.0.0.1)
authorization="Authorization: Bearer $(<"$secrets/api_token")"

# request CURL-ARGUMENT...: sets STATUS; the answer lies in $work/body and $work/headers.
request() {
    STATUS=$(curl --silent --show-error --max-time 20 "${curl_options[@]}" --dump-header "$work/headers" \
        --output "$work/body" --write-out '%{http_code}' "$@") || STATUS="none (curl: $?)"
}
answer() { jq --raw-output "$1" "$work/body" 2>/dev/null || echo "no JSON"; }
header() {
    tr -d '\r' <"$work/headers" | awk -F': ' -v name="$1" 'tolower($1) == tolower(name) { print $2; exit }'
}

# post_event FILE [CURL-ARGUMENT...]: signed by the program in the image.
post_event() {
    local file=$1
    shift
    in_container image chargefold sign <"$file" >"$work/signature" 2>>"$server_log" || true
    request --header @"$work/signature" --header 'Content-Type: application/json' --data-binary @"$file" "$@" "$EVENTS"
}

# get_session: with the token; sets STATUS.
get_session() { request --header "$authorization" "$@" "$ORIGIN/v1/sessions/$SESSION"; }

# Whether nginx answered the last request by itself.
nginx_alone_answered() { [[ "$(tail -n 1 "$work/access.log" | jq --raw-output .upstreamSeconds)" == "" ]]; }

# The two sample events of the Drive API's documentation.
printf '%s' '{"event":"SESSION_STARTED","payload":{"userId":"user1","sessionId":"L60XMxWy0oP","timestamp":"2025-06-12T10:56:51Z"}}' \
    >"$work/started.json"
printf '%s' '{"event":"SESSION_FEE_INCURRING","payload":{"sessionId":"L60XMxWy0oP","timestamp":"2025-10-15T08:52:48Z","feeWillApplyFrom":"2025-10-15T09:02:48Z","feeType":"BLOCKING"}}' \
    >"$work/fee.json"

# --- the container ---

start_container
pass "chargefold becomes ready"
process_status() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$SERVER/status"; }
check_equal "it runs as user 10001" 10001 "$(process_status Uid)"
check_equal "it has no capabilities, not even to gain" "0000000000000000 0000000000000000" \
    "$(process_status CapEff) $(process_status CapBnd)"
check_equal "it cannot gain privileges" 1 "$(process_status NoNewPrivs)"
check_equal "its root file system is mounted read-only" ro \
    "$(awk '$5 == "/" { options = $6 } END { sub(/,.*/, "", options); print options }' "/proc/$SERVER/mountinfo")"
for folder in / /etc /usr/local/bin /var /run; do
    message=$(in_container 0:0 touch "$folder/probe" 2>&1 || true)
    check "not even root could write to $folder" test "${message%Read-only file system}" != "$message"
done
check "its user can write to /data" in_container image sh -c 'touch /data/probe && rm /data/probe'
check "its health check passes" in_container image "${health[@]}"

# --- through nginx ---

start_nginx
pass "nginx runs config/nginx.conf, unprivileged"
check_equal "nginx runs as user 101" 101 "$(awk '$1 == "Uid:" { print $2 }' "/proc/$NGINX/status")"

post_event "$work/started.json"
check_equal "the first sample event is accepted over HTTPS" "200 accepted STARTED 1" \
    "$STATUS $(answer '"\(.outcome) \(.sessionStatus) \(.version)"')"
check_equal "its signature is what OpenSSL computes" \
    "$(openssl dgst -sha512 -hmac "$(<"$secrets/webhook_secret_current")" -binary "$work/started.json" | base64 --wrap 0)" \
    "$(awk -F': ' 'tolower($1) == "x-hmac-sha512-signature" { print $2 }' "$work/signature")"
post_event "$work/fee.json"
check_equal "the second sample event is accepted" "200 accepted STARTED 2" \
    "$STATUS $(answer '"\(.outcome) \(.sessionStatus) \(.version)"')"
post_event "$work/started.json" --http1.1
check_equal "a repeat is known as one" "200 duplicate" "$STATUS $(answer .outcome)"

get_session
check_equal "the session's state comes back" "200 L60XMxWy0oP STARTED user1 2025-06-12T10:56:51Z 1 2" \
    "$STATUS $(answer '"\(.sessionId) \(.sessionStatus) \(.userId) \(.startTime) \(.fees | length) \(.version)"')"
cp "$work/body" "$work/state-before"
check "it comes with the security headers" test "$(header Strict-Transport-Security):$(header X-Content-Type-Options)" \
    = max-age=31536000:nosniff
get_session --header "If-None-Match: $(header ETag)"
check_equal "an unchanged state is 304" 304 "$STATUS"
request "$ORIGIN/v1/sessions/$SESSION"
check_equal "without the token it is 401" 401 "$STATUS"
request --header "$authorization" "$ORIGIN/v1/sessions/unheard-of"
check_equal "an unknown session is 404, as a problem" "404 application/problem+json" "$STATUS $(header Content-Type)"

wrong=$(openssl rand -base64 64 | tr -d '\n')
request --header "X-HMAC-SHA512-Signature: $wrong" --json @"$work/started.json" "$EVENTS"
check_equal "a wrong signature is 403" 403 "$STATUS"
request --json @"$work/started.json" "$EVENTS"
check_equal "no signature is 401" 401 "$STATUS"

for target in /metrics /%6Detrics //metrics /v1/../metrics /v1/sessions/..%2F..%2Fmetrics /v1/metrics \
    /v1/quarantine /v1//quarantine/1 /v1/log /v1/tokens /v1/downtime /v1/Quarantine /v1/quarantine/events / /nowhere; do
    request --path-as-is --header "$authorization" "$ORIGIN$target"
    check_equal "$target is closed to the public, and never reaches chargefold" "404 alone" \
        "$STATUS $(nginx_alone_answered && echo alone)"
done
request --request DELETE --header "$authorization" "$ORIGIN/v1/users/user1"
check_equal "so is erasing a user" "404 alone" "$STATUS $(nginx_alone_answered && echo alone)"

head --bytes 65537 /dev/zero | tr '\0' ' ' >"$work/large.json"
post_event "$work/large.json"
check_equal "a body over 64 KiB is refused by nginx, as a problem" "413 application/problem+json 413 alone" \
    "$STATUS $(header Content-Type) $(answer .status) $(nginx_alone_answered && echo alone)"
head --bytes 65536 /dev/zero | tr '\0' ' ' >"$work/large.json"
post_event "$work/large.json"
check_equal "a body of 64 KiB reaches chargefold" "400 asked" "$STATUS $(nginx_alone_answered || echo asked)"
request "http://chargefold.example/v1/sessions/$SESSION?wait=1s"
check_equal "plain HTTP leads to HTTPS" "308 $ORIGIN/v1/sessions/$SESSION?wait=1s" "$STATUS $(header Location)"
request --json @"$work/started.json" "http://chargefold.example/webhooks/session-events"
check_equal "a body in the clear is refused" 403 "$STATUS"
request --header "Host: elsewhere.example" "http://chargefold.example/v1/sessions/$SESSION"
check_equal "plain HTTP leads nowhere else, whatever the Host field says" "421 application/problem+json " \
    "$STATUS $(header Content-Type) $(header Location)"

# --- kill -9, start again, stop ---

kill -KILL "$SERVER"
wait "$SERVER_PARENT" 2>/dev/null || true
get_session
check_equal "while it is down nginx says so, and when to try again" "502 application/problem+json 1" \
    "$STATUS $(header Content-Type) $(header Retry-After)"
check "its health check fails then" not in_container image "${health[@]}" 2>>"$server_log"
start_container
post_event "$work/fee.json"
check_equal "after kill -9 the first callback through nginx finds it again" "200 duplicate" "$STATUS $(answer .outcome)"
get_session
state() { jq --compact-output --sort-keys 'del(.deliveries, .duration, .effectiveStatus, .actions, .anomalies)' "$1"; }
check_equal "after kill -9 the state is what it was" "$(state "$work/state-before")" "$(state "$work/body")"

started=$SECONDS
kill -TERM "$SERVER"
status=0
wait "$SERVER_PARENT" || status=$?
check_equal "on SIGTERM it exits with 0" 0 "$status"
check "on SIGTERM it exits within 10 s: $((SECONDS - started)) s" test $((SECONDS - started)) -le 10

check_equal "no secret is in a log" "" "$(grep --files-with-matches --fixed-strings --file=<(cat "$secrets/api_token" <(echo) \
    "$secrets/webhook_secret_current") "$server_log" "$work/access.log" "$work/nginx.log" || true)"
check_equal "no query is in the access log" "" "$(grep --fixed-strings 'wait=' "$work/access.log" || true)"
if (($(checks_failed) > 0)); then
    say "--- the end of chargefold's log"
    tail -n 20 "$server_log" >&2
    say "--- the end of nginx's log"
    tail -n 20 "$work/nginx.log" >&2
fi
