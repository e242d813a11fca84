#!/usr/bin/env bash
# container-enter.sh ROOT DATA SECRETS IMAGE-JSON USER COMMAND...
#
# Runs COMMAND in the image's file system ROOT as a container engine would with --read-only --cap-drop ALL
# --security-opt no-new-privileges: nothing can be written but /data and a small /tmp. To be started by
# `unshare --mount --pid --fork`, so that all mounts vanish with it and COMMAND is process 1.
# USER is `image` for the image's own user, or UID:GID. SETTINGS in the environment holds further NAME=VALUE lines.
set -euo pipefail

root=$1 data=$2 secrets=$3 image=$4 user=$5
shift 5
[[ $$ == 1 ]] || { echo "container-enter.sh: not process 1 of its namespace" >&2; exit 1; }

[[ "$user" != image ]] || user=$(jq --raw-output '.Docker.config.User' "$image")
folder=$(jq --raw-output '.Docker.config.WorkingDir' "$image")
mapfile -t environment < <(jq --raw-output '.Docker.config.Env[]' "$image" && printf '%s' "${SETTINGS:-}")

mount --bind "$root" "$root"
mount --bind "$data" "$root/data"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=1777,size=16m,nosuid,nodev,noexec tmpfs "$root/tmp"
mount -t tmpfs -o mode=0755,size=64k,nosuid,noexec tmpfs "$root/dev"
for device in null zero full random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mount -o remount,ro "$root/dev"
mount -t tmpfs -o mode=0755,size=64k,nosuid,nodev,noexec tmpfs "$root/run"
mkdir "$root/run/secrets"
mount --bind "$secrets" "$root/run/secrets"
mount -o remount,bind,ro "$root/run/secrets"
mount -o remount,ro "$root/run"
mount -o remount,bind,ro "$root"

exec chroot "$root" /usr/bin/env --ignore-environment --chdir="$folder" "${environment[@]}" \
    /usr/bin/setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all --ambient-caps=-all -- "$@"
