# shellcheck shell=bash
# What the scripts share: messages, cleaning up, missing packages, waiting, counting checks.
# To be sourced by a bash script that has `set -euo pipefail`:
#
#   source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
#
# --help (or -h) as the first argument is answered here, with the comment at the top of that script.

# The folder that holds Package.swift.
repository_root() {
    (cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
}

# --- messages (all to standard error: standard output belongs to what a script prints as its result) ---

if [[ -t 2 && -z "${NO_COLOR:-}" ]]; then
    readonly STYLE_BOLD=$'\e[1m' STYLE_RED=$'\e[31m' STYLE_PLAIN=$'\e[0m'
else
    readonly STYLE_BOLD='' STYLE_RED='' STYLE_PLAIN=''
fi

say() { printf '%s\n' "$*" >&2; }
step() { printf '%s==> %s%s (%d s)\n' "$STYLE_BOLD" "$*" "$STYLE_PLAIN" "$SECONDS" >&2; }
warn() { printf '%s%s: warning: %s%s\n' "$STYLE_RED" "${0##*/}" "$*" "$STYLE_PLAIN" >&2; }
die() {
    printf '%s%s: %s%s\n' "$STYLE_RED" "${0##*/}" "$*" "$STYLE_PLAIN" >&2
    exit 1
}

# --- what a script is called with ---

# usage: the comment at the top of the script, which is its help.
usage() {
    local script=${BASH_SOURCE[0]%lib/common.sh}${0##*/}
    [[ -r "$script" ]] || script=$0
    awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$script"
}

wrong_usage() {
    usage >&2
    exit 64
}

# takes_numbers MAX ARGUMENT...: at most so many arguments, all of them whole numbers above 0.
takes_numbers() {
    local max=$1 argument
    shift
    (($# <= max)) || wrong_usage
    for argument in "$@"; do
        [[ $argument =~ ^[1-9][0-9]*$ ]] || wrong_usage
    done
}

case ${1:-} in
-h | --help)
    usage
    exit
    ;;
esac

# --- cleaning up: whatever way a script ends, but for kill -9 ---

CLEANUP_COMMANDS=()

# at_exit COMMAND ARGUMENT...: run when the script ends, last one first.
at_exit() {
    local quoted
    printf -v quoted '%q ' "$@"
    CLEANUP_COMMANDS+=("$quoted")
}

run_cleanup() {
    local status=$? index
    trap - EXIT
    set +e
    for ((index = ${#CLEANUP_COMMANDS[@]} - 1; index >= 0; index--)); do
        eval "${CLEANUP_COMMANDS[index]}"
    done
    exit "$status"
}
trap run_cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# make_temporary_directory VARIABLE: puts the path into VARIABLE; the folder is removed when the script ends.
make_temporary_directory() {
    local created
    created=$(mktemp -d "${TMPDIR:-/tmp}/chargefold.XXXXXXXX")
    at_exit remove_folder "$created"
    printf -v "$1" '%s' "$created"
}

# remove_folder PATH: rm -rf that never reaches through a mount: it leaves the folder alone while anything is mounted in it.
remove_folder() {
    local path
    path=$(realpath -- "$1" 2>/dev/null) || return 0
    if awk -v path="$path" '$5 == path || index($5, path "/") == 1 { found = 1 } END { exit !found }' \
        /proc/self/mountinfo; then
        warn "left $path as it is: something is mounted in it"
        return 1
    fi
    rm -rf --one-file-system -- "$path"
}

# stop_process PID [SECONDS]: SIGTERM, and SIGKILL for what is still there after SECONDS (10). No error when it is gone.
stop_process() {
    local pid=$1 seconds=${2:-10}
    kill -TERM "$pid" 2>/dev/null || return 0
    if ! wait_until "$seconds" process_has_ended "$pid"; then
        kill -KILL "$pid" 2>/dev/null || true
    fi
    wait "$pid" 2>/dev/null || true
}

# A zombie counts as ended: it waits only for its parent to ask.
process_has_ended() {
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 0
    [[ -z "$state" || "$state" == Z ]]
}

# --- packages ---

# as_root COMMAND ARGUMENT...: through sudo when need be.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "must be root, or have sudo, for: $*"
    fi
}

APT_IS_UPDATED=''

# apt_install PACKAGE...: installs those that are missing, quietly, and says so. The lists are updated once a script.
apt_install() {
    local package absent=() log
    for package in "$@"; do
        if [[ "$(dpkg-query --show --showformat='${db:Status-Abbrev}' "$package" 2>/dev/null)" != ?i* ]]; then
            absent+=("$package")
        fi
    done
    ((${#absent[@]} > 0)) || return 0
    command -v apt-get >/dev/null || die "please install these packages: ${absent[*]}"
    step "Installing ${absent[*]}"
    log=$(mktemp)
    if ! {
        { [[ -n "$APT_IS_UPDATED" ]] || as_root apt-get --quiet update; } &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes --no-install-recommends \
                -o DPkg::Lock::Timeout=300 install "${absent[@]}"
    } >"$log" 2>&1 </dev/null; then
        tail -n 40 "$log" >&2
        rm -f -- "$log"
        die "could not install: ${absent[*]}"
    fi
    rm -f -- "$log"
    APT_IS_UPDATED=yes
}

# --- waiting ---

# wait_until SECONDS COMMAND ARGUMENT...: tries until the command succeeds; fails when it has not after SECONDS.
wait_until() {
    local deadline=$((SECONDS + $1 + 1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

# wait_for_url URL SECONDS [CURL-ARGUMENT...]: until the URL answers with a 2xx status.
wait_for_url() {
    local url=$1 seconds=$2
    shift 2
    wait_until "$seconds" curl --silent --fail --output /dev/null --max-time 2 "$@" "$url"
}

# --- checks: counted in a file, so that subshells and child scripts count too ---

# start_checks: call once, in the outermost script.
start_checks() {
    CHECKS_FILE=$(mktemp "${TMPDIR:-/tmp}/chargefold-checks.XXXXXXXX")
    export CHECKS_FILE
    at_exit rm -f -- "$CHECKS_FILE"
}

pass() {
    printf '  ok    %s\n' "$*"
    echo passed >>"$CHECKS_FILE"
}

fail() {
    printf '  %sFAIL  %s%s\n' "$STYLE_RED" "$*" "$STYLE_PLAIN"
    echo failed >>"$CHECKS_FILE"
}

# not COMMAND ARGUMENT...: `!` for where a command is an argument.
not() { ! "$@"; }

# check DESCRIPTION COMMAND ARGUMENT...: passes when the command succeeds.
check() {
    local description=$1
    shift
    if "$@"; then pass "$description"; else fail "$description"; fi
}

# check_equal DESCRIPTION EXPECTED ACTUAL
check_equal() {
    if [[ "$2" == "$3" ]]; then
        pass "$1"
    else
        fail "$1: expected '$2', got '$3'"
    fi
}

checks_failed() { grep -c '^failed' "$CHECKS_FILE" || true; }

# finish_checks: the closing line; fails when a check has failed, or when there was none.
finish_checks() {
    local passed failed
    passed=$(grep -c '^passed' "$CHECKS_FILE" || true)
    failed=$(checks_failed)
    printf '%d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0 && passed > 0))
}

# --- building and running ---

# What it takes to build, besides the Swift toolchain.
install_build_dependencies() {
    command -v swift >/dev/null || die "there is no swift: install a Swift 6.3 toolchain (https://www.swift.org/install/linux/)"
    apt_install libssl-dev zlib1g-dev libsqlite3-dev libyaml-dev libcurl4-openssl-dev libpq-dev
}

# build_release: builds the release executable; $chargefold is its path afterwards. With Swift's runtime in it, as in the
# image: calls that go through no table take some 5 % less of the processor.
build_release() {
    step "Building (release)"
    swift build --configuration release --product chargefold --static-swift-stdlib --disable-local-rpath >&2
    chargefold=$(swift build --configuration release --show-bin-path)/chargefold
}

# start_server DIRECTORY [ARGUMENT...]: starts $chargefold as the environment configures it, and waits until it is ready.
# Sets $server_pid and $server_url; DIRECTORY takes its log. The process is stopped when the script ends.
start_server() {
    local directory=$1
    shift
    : >"$directory/server.log"
    "$chargefold" serve "$@" 2>>"$directory/server.log" &
    server_pid=$!
    at_exit stop_process "$server_pid"
    if ! wait_until 30 server_is_ready "$directory"; then
        tail -n 20 "$directory/server.log" >&2
        die "the server did not become ready"
    fi
}

# The port is in the log: with CHARGEFOLD_HTTP_PORT=0 the kernel has chosen it.
server_is_ready() {
    server_url=$(sed -n 's/.* listening addresses=\([^ ]*\).*/http:\/\/\1/p' "$1/server.log" | tail -n 1)
    [[ -n "$server_url" ]] && curl --silent --fail --output /dev/null --max-time 2 "$server_url/readyz"
}
