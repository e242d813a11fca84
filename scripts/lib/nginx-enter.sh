#!/usr/bin/env bash
# nginx-enter.sh CONFIGURATION TLS-FOLDER [ADDRESS...]
#
# Becomes nginx with CONFIGURATION, unchanged and without privileges, as config/compose.yaml runs it: user 101, the
# certificate under /etc/nginx/tls, the name `chargefold` for its upstream, which is 127.0.0.1 or at the addresses. To be
# started in a mount namespace and a network namespace of its own (`unshare --mount`, inside `unshare --net`).
set -euo pipefail

configuration=$1 tls=$2
shift 2
copy=$(mktemp)
cp -- "$configuration" "$copy"
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start

mount -t tmpfs -o mode=0755,size=1m tmpfs /etc/nginx
mkdir /etc/nginx/tls
mv -- "$copy" /etc/nginx/nginx.conf
chmod 0644 /etc/nginx/nginx.conf
mount --bind -o ro "$tls" /etc/nginx/tls
printf '127.0.0.1 localhost\n' >/etc/nginx/hosts
printf '%s chargefold\n' "${@:-127.0.0.1}" >>/etc/nginx/hosts
mount --bind /etc/nginx/hosts /etc/hosts
mount -t tmpfs -o uid=101,gid=101,mode=0750,size=1m tmpfs /run
for folder in /var/cache/nginx /var/lib/nginx; do
    [[ ! -d "$folder" ]] || mount -t tmpfs -o uid=101,gid=101,mode=0750,size=64m tmpfs "$folder"
done

unprivileged=(setpriv --reuid=101 --regid=101 --clear-groups --no-new-privs
    --bounding-set=-all --inh-caps=-all --ambient-caps=-all --)
"${unprivileged[@]}" nginx -t -c /etc/nginx/nginx.conf
exec "${unprivileged[@]}" nginx -c /etc/nginx/nginx.conf -g 'daemon off;'
