# shellcheck shell=bash
# Two receivers that do as they are told, to stand behind a proxy. Sourced after common.sh; wants $work and $library.
# shellcheck disable=SC2034 # what `failover` sets is for whoever calls it

# free_ports COUNT: numbers of that many ports that nobody listens on.
free_ports() {
    python3 -c '
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets))' "$1"
}

# start_two_receivers PORT PORT: answer 200 to anything; the second as $work/second says.
start_two_receivers() {
    SECOND_PORT=$2
    : >"$work/first"
    : >"$work/second"
    python3 "$library/answer-200.py" "$1" "$work/first" &
    at_exit stop_process $!
    start_second_receiver
    wait_for_url "http://127.0.0.1:$1/" 10 || die "nothing behind the proxy"
}

start_second_receiver() {
    python3 "$library/answer-200.py" "$SECOND_PORT" "$work/second" &
    SECOND=$!
    at_exit stop_process "$SECOND"
    wait_for_url "http://127.0.0.1:$SECOND_PORT/" 10 || die "nothing behind the proxy"
}

# failover KIND METHOD CURL-ARGUMENT...: six requests while the second receiver is KIND (503, close, silent, gone). Sets TAKEN,
# how many of them were answered 200, and SEEN, how many requests both receivers have seen (health checks apart).
failover() {
    local kind=$1 method=$2 count
    shift 2
    if [[ $kind == gone ]]; then
        kill -KILL "$SECOND"
        wait "$SECOND" 2>/dev/null || true
    fi
    echo "$kind" >"$work/second"
    : >"$work/first.requests"
    : >"$work/second.requests"
    TAKEN=0
    for count in 1 2 3 4 5 6; do
        [[ "$(curl --silent --max-time 10 --request "$method" --header 'X-HMAC-SHA512-Signature: eA==' --data "$count" \
            --output /dev/null --write-out '%{http_code}' "$@")" != 200 ]] || TAKEN=$((TAKEN + 1))
    done
    SEEN=$(cat "$work/first.requests" "$work/second.requests" | grep --count --invert-match /readyz || true)
    : >"$work/second"
    if [[ $kind == gone ]]; then start_second_receiver; fi
}
