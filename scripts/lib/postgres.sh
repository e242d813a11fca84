# shellcheck shell=bash
# A PostgreSQL of a script's own. To be sourced after common.sh; wants the package postgresql.

# start_postgres FOLDER: with its socket there and nowhere else. Sets $postgres_url; ends with the script.
start_postgres() {
    local folder=$1 binaries as_user=()
    binaries=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort | tail -n 1)
    mkdir -p "$folder"
    if ((EUID == 0)); then
        # It will not run as root; every folder above must let its own user through.
        as_user=(setpriv --reuid=postgres --regid=postgres --clear-groups --)
        chown postgres:postgres "$folder"
        chmod o+x "$(dirname "$folder")"
    fi
    (
        cd /
        "${as_user[@]}" "$binaries/initdb" --auth=trust --username=postgres --pgdata "$folder/data"
        printf "listen_addresses = ''\nunix_socket_directories = '%s'\n" "$folder" |
            "${as_user[@]}" tee -a "$folder/data/postgresql.conf"
        "${as_user[@]}" "$binaries/pg_ctl" start -w -D "$folder/data" -l "$folder/log"
    ) >"$folder.log" 2>&1 || {
        cat "$folder.log" >&2
        die "PostgreSQL did not start"
    }
    at_exit "${as_user[@]}" "$binaries/pg_ctl" stop -m immediate -D "$folder/data"
    # shellcheck disable=SC2034 # for whoever calls it
    postgres_url="postgresql://postgres@/postgres?host=$folder"
}
