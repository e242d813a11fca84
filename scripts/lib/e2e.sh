# shellcheck shell=bash
# What scripts/e2e starts and walks. To be sourced after common.sh.

# Ports of this run, from a range that nothing else here uses.
e2e_base=$((20000 + $$ % 10000))
receiver_port=$e2e_base
sandbox_port=$((e2e_base + 1))
proxy_port=$((e2e_base + 2))
api_port=$((e2e_base + 3))
tls_port=$((e2e_base + 4))

nginx_user=''
((EUID != 0)) || nginx_user='user root;'

# write_nginx_configuration COUNT: the shipped one, on other ports, in front of so many receivers.
write_nginx_configuration() {
    local second=()
    (($1 < 2)) || second=(-e "s@# server chargefold-2:8080@server 127.0.0.1:$(port_of 2)@")
    {
        printf '%s\n' "$nginx_user"
        sed "${second[@]}" -e "s#server chargefold:8080#server 127.0.0.1:$receiver_port#" -e "s#/etc/nginx/tls#$work#" \
            -e "s#pid /run/nginx.pid#pid $work/nginx.pid#" -e "s#/dev/stdout#$work/access.log#" \
            -e '/listen \[::\]/d' -e '/listen 80[ ;]/d' -e "/^        server_name _;/d" \
            -e "s#listen 443 ssl http2 default_server;#listen 127.0.0.1:$tls_port ssl http2 default_server; listen 127.0.0.1:$proxy_port default_server;#" \
            -e 's#worker_rlimit_nofile.*##' -e 's#worker_connections 16384#worker_connections 1024#' config/nginx.conf |
            awk '/^    server \{/ { block = ""; inside = 1 }
                 inside { block = block $0 "\n"; if (/^    }/) { inside = 0; if (block ~ /listen/) printf "%s", block } next }
                 { print }'
    } >"$work/nginx.conf"
}

# One nginx in front of Chargefold, and in front of the sandbox one that keeps account of the calls. Sets $nginx_pid.
start_nginx() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -keyout "$work/privkey.pem" -out "$work/fullchain.pem" 2>/dev/null
    write_nginx_configuration 1
    cat >"$work/api.conf" <<CONF
$nginx_user
pid $work/api.pid;
events { worker_connections 256; }
http {
    log_format calls '\$request_method \$uri \$status';
    access_log $work/api-access.log calls;
    server {
        listen 127.0.0.1:$api_port;
        location / { proxy_pass http://127.0.0.1:$sandbox_port; proxy_read_timeout 30s; }
    }
}
CONF
    local configuration
    for configuration in api nginx; do
        nginx -e "$work/$configuration-error.log" -p "$work" -c "$work/$configuration.conf" -g 'daemon off;' 2>>"$work/nginx.log" &
        nginx_pid=$!
        at_exit stop_process "$nginx_pid"
    done
}

# start_sandbox ARGUMENT...: sets $sandbox_pid.
start_sandbox() {
    "$chargefold" sandbox --port "$sandbox_port" --callback "http://127.0.0.1:$proxy_port/webhooks/session-events" \
        --cdr-callback "http://127.0.0.1:$proxy_port/webhooks/cdrs" "$@" >>"$work/sandbox.log" 2>&1 &
    sandbox_pid=$!
    at_exit stop_process "$sandbox_pid"
    wait_for_url "http://127.0.0.1:$sandbox_port/healthz" 10 || die "the sandbox did not become ready"
}

# port_of NUMBER: of a receiver.
port_of() { echo $((receiver_port + ($1 - 1) * 5)); }

receiver_pids=()

# start_receiver NUMBER: sets its place in $receiver_pids.
start_receiver() {
    local log=$work/receiver-$1.log settings=()
    [[ -z "${CHARGEFOLD_REPLICATION_URL:-}" ]] || settings=("CHARGEFOLD_REPLICATION_NAME=receiver-$1")
    env "${settings[@]}" CHARGEFOLD_DATA_DIRECTORY="$work/data-$1" CHARGEFOLD_HTTP_PORT="$(port_of "$1")" \
        "$chargefold" serve >>"$log" 2>&1 &
    receiver_pids[$1]=$!
    at_exit stop_process "${receiver_pids[$1]}"
    if ! wait_for_url "http://127.0.0.1:$(port_of "$1")/readyz" 20; then
        tail -n 20 "$log" >&2
        die "Chargefold did not become ready"
    fi
}

stop_receivers() {
    local pid
    for pid in "${receiver_pids[@]}"; do stop_process "$pid"; done
    receiver_pids=()
}

sandbox_chaos() {
    curl --silent --fail --output /dev/null -X POST -d "$1" "http://127.0.0.1:$sandbox_port/sandbox/chaos"
}

# member NAME: of the JSON object on standard input; empty where there is none.
member() {
    python3 -c 'import json,sys
try: print(json.load(sys.stdin).get(sys.argv[1], ""))
except ValueError: pass' "$1"
}

# figure NAME: of the comparison.
figure() { member "$1" <"$work/compare.json"; }
check_figure() { check_equal "$1" "$2" "$(figure "$3")"; }

# --- the documented scenarios: the curl lines of "Testing remote charging", with another host ---

# start_session HOST KEY USER CONNECTOR: prints the answer.
start_session() {
    curl --silent -X POST --location "$1/v1/users/$3/sessions/start" \
        -H "x-api-key: $2" \
        -H "Content-Type: application/json" \
        -d "{
    \"connectorId\": \"$4\"
}"
}

stop_session() { curl --silent --output /dev/null --write-out '%{http_code}' -X POST -H "x-api-key: $2" "$1/v1/users/$3/sessions/$4/stop"; }

session_status() { curl --silent -H "x-api-key: $2" "$1/v1/users/$3/sessions/$4" | member sessionStatus; }

has_status() { [[ "$(session_status "$1" "$2" "$3" "$4")" == "$5" ]]; }

# connector_of EVSE [HOST KEY]: found as documented, by geosearch at the place of the error cases.
connector_of() {
    curl --silent --request POST \
        --url "${2:-http://127.0.0.1:$sandbox_port/drive}/v1/geosearch/radius?latitude=52.334242&longitude=20.899305&distance=500&limit=300&aggregate=false" \
        --header "X-API-Key: ${3:-$CHARGEFOLD_SANDBOX_API_KEY}" \
        --header 'accept: */*' --header 'content-type: application/json' \
        --data '{"filters": {"locationStatuses": ["AVAILABLE"]}}' |
        python3 -c 'import json,sys
for location in json.load(sys.stdin)["locations"]:
    for station in location["stations"]:
        for evse in station["evses"]:
            if evse["evseId"] == sys.argv[1]: print(evse["connectors"][0]["id"]); sys.exit()' "$1"
}

# available_connector NUMBER [HOST KEY]: some connector of the successful chargers.
available_connector() {
    curl --silent --request POST \
        --url "${2:-http://127.0.0.1:$sandbox_port/drive}/v1/geosearch/radius?latitude=52.290056&longitude=20.907028&distance=500&limit=300&aggregate=false" \
        --header "X-API-Key: ${3:-$CHARGEFOLD_SANDBOX_API_KEY}" \
        --header 'accept: */*' --header 'content-type: application/json' \
        --data '{"filters": {"locationStatuses": ["AVAILABLE"]}}' |
        python3 -c 'import json,sys
connectors = [c["id"] for l in json.load(sys.stdin)["locations"] for s in l["stations"] for e in s["evses"] for c in e["connectors"]]
print(connectors[int(sys.argv[1])])' "$1"
}

# walk_scenarios NAME HOST KEY
walk_scenarios() {
    local name=$1 host=$2 key=$3 user connector id
    user="user-${name// /-}"
    say "$name:"
    connector=$(available_connector "$([[ $name == Chargefold ]] && echo 1 || echo 0)" "$host" "$key")
    id=$(start_session "$host" "$key" "$user" "$connector" | member sessionId)
    check "$name: a session is started ($id)" test -n "$id"
    check "$name: it becomes STARTED" wait_until 10 has_status "$host" "$key" "$user" "$id" STARTED
    check_equal "$name: its stop is taken" 200 "$(stop_session "$host" "$key" "$user" "$id")"
    check "$name: it becomes COMPLETE" wait_until 20 has_status "$host" "$key" "$user" "$id" COMPLETE
    check_equal "$name: another stop does no harm" 200 "$(stop_session "$host" "$key" "$user" "$id")"
    check_equal "$name: it is still COMPLETE" COMPLETE "$(session_status "$host" "$key" "$user" "$id")"
    check "$name: it has a receipt" test -n "$(curl --silent -H "x-api-key: $key" "$host/v1/users/$user/sessions/$id/receipt" | member url)"

    wait_until 2 false || true
    id=$(start_session "$host" "$key" "$user" "$(connector_of 'DE*DRV*E6mayTt' "$host" "$key")" | member sessionId)
    check "$name: 1. waiting to start hangs" wait_until 10 has_status "$host" "$key" "$user" "$id" WAITING_TO_START
    local hanging=$id
    id=$(start_session "$host" "$key" "$user" "$(connector_of 'DE*DRV*E4JanRe' "$host" "$key")" | member sessionId)
    check "$name: 2. the session whose stop is ignored starts" wait_until 10 has_status "$host" "$key" "$user" "$id" STARTED
    check_equal "$name: 2. its stop is taken" 200 "$(stop_session "$host" "$key" "$user" "$id")"
    check "$name: 2. and it is STARTED still" wait_until 15 has_status "$host" "$key" "$user" "$id" STARTED
    id=$(start_session "$host" "$key" "$user" "$(connector_of 'DE*DRV*E9svnVs' "$host" "$key")" | member sessionId)
    check "$name: 3. the start fails" wait_until 10 has_status "$host" "$key" "$user" "$id" FAILED
    id=$(start_session "$host" "$key" "$user" "$(connector_of 'DE*DRV*E8vsnVn' "$host" "$key")" | member sessionId)
    check "$name: 4. the session whose stop fails starts" wait_until 10 has_status "$host" "$key" "$user" "$id" STARTED
    check_equal "$name: 4. its stop is taken" 200 "$(stop_session "$host" "$key" "$user" "$id")"
    check "$name: 4. and fails" wait_until 10 has_status "$host" "$key" "$user" "$id" STOP_FAILED
    check_equal "$name: 1. still hangs" WAITING_TO_START "$(session_status "$host" "$key" "$user" "$hanging")"
}

# check_gateway HOST KEY: what the gateway adds to upstream.
check_gateway() {
    local host=$1 key=$2 connector answer
    connector=$(available_connector 2)
    request() {
        curl --silent --output "$work/answer" --write-out '%{http_code}' -X POST -H "x-api-key: $key" \
            -H "Idempotency-Key: $1" -d "{\"connectorId\":\"$2\"}" "$host/v1/users/keyed/sessions/start"
    }
    check_equal "a keyed start is taken" 200 "$(request key-1 "$connector")"
    answer=$(cat "$work/answer")
    check_equal "the same again" 200 "$(request key-1 "$connector")"
    check_equal "gets the same answer" "$answer" "$(cat "$work/answer")"
    check_equal "the key with another body is refused" 422 "$(request key-1 other)"
    check_equal "another start on the connector has to wait" 409 "$(request key-2 "$connector")"
    check "TLS ends in nginx" curl --silent --fail --insecure --output /dev/null "https://127.0.0.1:$tls_port/healthz"
    check_equal "the ledger is not for the public" 404 \
        "$(curl --silent --output /dev/null --write-out '%{http_code}' -H "Authorization: Bearer $key" "http://127.0.0.1:$proxy_port/v1/downtime")"
}

# has_history HOST KEY USER COUNT: Chargefold knows so many sessions of the user that wait to start.
has_history() {
    [[ "$(curl --silent -X POST -H "x-api-key: $2" -d '{"sessionStatus":["WAITING_TO_START"]}' \
        "$1/v1/users/$3/sessions/history" | member count)" == "$4" ]]
}

# check_lost_start HOST KEY: a start that the API has carried out, and whose answer comes too late. No callback tells of a
# session that hangs, so only the user's history can.
check_lost_start() {
    local host=$1 key=$2 connector status
    connector=$(connector_of 'DE*DRV*E6mayTt')
    sandbox_chaos '{"api":{"slow":1,"slowMilliseconds":3000}}'
    status=$(curl --silent --output /dev/null --write-out '%{http_code}' -X POST -H "x-api-key: $key" \
        -d "{\"connectorId\":\"$connector\"}" "$host/v1/users/lost/sessions/start")
    sandbox_chaos '{"api":{"slow":0}}'
    check_equal "a start whose answer is late is answered 504" 504 "$status"
    check "its session is not known" has_history "$host" "$key" lost 0
    # Other calls may have been too late as well, so that the circuit breaker has to close first.
    check "it appears by itself" wait_until 60 has_history "$host" "$key" lost 1
}
