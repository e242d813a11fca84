# shellcheck shell=bash
# Building the container image with buildah where there is neither a Docker daemon nor a registry: base images that
# cannot be pulled are made here, and kept in a cache outside the repository. Sourced after common.sh, by a script
# that runs as root in a mount namespace of its own (so that no mount outlives it).

# Paths inside a build that exist in every Debian image, so that mounting there leaves no trace in a layer.
readonly BUILD_MOUNT=/mnt

# prepare_buildah CACHE-FOLDER WORK-FOLDER: sets CACHE, WORK and the command line BUILDAH; one script at a time.
prepare_buildah() {
    CACHE=$1
    WORK=$2
    mkdir -p -- "$CACHE/tmp" "$WORK/run"
    exec {CACHE_LOCK}>"$CACHE/lock"
    if ! flock --nonblock "$CACHE_LOCK"; then
        say "Waiting for another build that uses $CACHE"
        flock "$CACHE_LOCK"
    fi
    export TMPDIR=$CACHE/tmp # buildah's cache mounts (RUN --mount=type=cache) lie here too
    export BUILDAH_ISOLATION=chroot
    local driver=${STORAGE_DRIVER:-$(storage_driver)}
    BUILDAH=(buildah --root "$CACHE/storage-$driver" --runroot "$WORK/run" --storage-driver "$driver")
    # What a run left that was killed. Nobody else uses this storage.
    "${BUILDAH[@]}" rm --all >/dev/null 2>&1 || true
}

# overlay where this system lets us mount one, else vfs, which copies every layer whole.
storage_driver() {
    local probe=$WORK/probe
    mkdir -p -- "$probe"/{lower,upper,work,merged}
    if mount -t overlay overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" \
        "$probe/merged" 2>/dev/null; then
        umount "$probe/merged"
        echo overlay
    else
        echo vfs
    fi
}

# quietly LOG COMMAND ARGUMENT...: output goes to LOG, and is shown when the command fails.
quietly() {
    local log=$1
    shift
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 60 "$log" >&2
        return 1
    fi
}

# ensure_image NAME KEY MAKER: pulls NAME, or else makes it with the function MAKER and tags it NAME. An image made
# earlier is used again as long as KEY, which stands for all that it was made from, is the same. What is asked for by digest
# is that or nothing.
ensure_image() {
    local name=$1 key=$2 maker=$3 key_file="$CACHE/made-from/${1//\//_}"
    if "${BUILDAH[@]}" inspect --type image "$name" >/dev/null 2>&1 &&
        [[ ! -e "$key_file" || "$(<"$key_file")" == "$key" ]]; then
        return
    fi
    if "${BUILDAH[@]}" pull --quiet "$name" >/dev/null 2>&1; then
        rm -f -- "$key_file"
        return
    fi
    [[ "$name" != *@* ]] || die "cannot pull $name, and nothing made here would have that digest"
    step "Making $name here, because it cannot be pulled"
    "$maker" "$name"
    mkdir -p -- "${key_file%/*}"
    printf '%s\n' "$key" >"$key_file"
}

# by_digest IMAGE: the name under which just this image will be found again, whatever its tag comes to mean.
by_digest() {
    local digest
    [[ "$1" != *@* ]] || { printf '%s\n' "$1" && return; }
    digest=$("${BUILDAH[@]}" inspect --type image --format '{{.FromImageDigest}}' "$1")
    printf '%s@%s\n' "$(sed 's/:[^:/]*$//' <<<"$1")" "$digest"
}

# new_container IMAGE: sets CONTAINER and CONTAINER_ROOT.
new_container() {
    CONTAINER=$("${BUILDAH[@]}" from --pull-never "$1")
    CONTAINER_ROOT=$("${BUILDAH[@]}" mount "$CONTAINER")
}

# commit_container NAME
commit_container() {
    "${BUILDAH[@]}" commit --quiet --format docker --rm "$CONTAINER" "$1" >/dev/null
}

# The package sources of this machine for a Debian release, as lines of sources.list; none on another system.
debian_sources() {
    # shellcheck disable=SC2016 # apt-get fills these in, not the shell
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        awk -v release="$1" '$2 == release || $2 == release "-updates" || $2 == release "-security" {
            print "deb " $1 " " $2 " " $3 }' | sort -u
}

# What debian:bookworm-slim holds: the required packages and apt, without documentation and translations.
make_debian_image() {
    local name=$1 release=bookworm mirror
    apt_install debootstrap debian-archive-keyring
    # Empty where this machine runs another system: debootstrap then takes Debian's own.
    mirror=$(debian_sources "$release" | awk -v release="$release" '$3 == release && $4 == "main" && !n++ { print $2 }')
    new_container scratch
    quietly "$WORK/debootstrap.log" debootstrap --variant=minbase \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$release" "$CONTAINER_ROOT" ${mirror:+"$mirror"}
    debian_sources "$release" >"$WORK/sources.list"
    [[ ! -s "$WORK/sources.list" ]] || cp -- "$WORK/sources.list" "$CONTAINER_ROOT/etc/apt/sources.list"
    slim_debian "$CONTAINER_ROOT"
    "${BUILDAH[@]}" config --cmd bash "$CONTAINER"
    commit_container "$name"
}

slim_debian() {
    local root=$1
    cat >"$root/etc/dpkg/dpkg.cfg.d/docker" <<'DPKG'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/groff/*
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
DPKG
    cat >"$root/etc/apt/apt.conf.d/docker" <<'APT'
Acquire::Languages "none";
Acquire::GzipIndexes "true";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 0755 "$root/usr/sbin/policy-rc.d"
    find "$root/usr/share/doc" -mindepth 1 -not -name copyright -not -type d -delete
    find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete
    rm -rf -- "$root"/usr/share/{groff,info,lintian,locale,man}/* \
        "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/*.log "$root"/var/log/apt
}

# What the Swift image holds, less the toolchain itself: this machine's is mounted into the build instead.
make_swift_image() {
    local name=$1
    new_container "$RUNTIME_IMAGE"
    quietly "$WORK/swift-image.log" "${BUILDAH[@]}" run "$CONTAINER" -- sh -c '
        apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
            binutils ca-certificates git libc6-dev libcurl4 libedit2 libgcc-12-dev libncurses6 \
            libsqlite3-0 libstdc++-12-dev libxml2 pkg-config tzdata zlib1g-dev && rm -rf /var/lib/apt/lists/*'
    "${BUILDAH[@]}" config --env "PATH=$BUILD_MOUNT/toolchain/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        --env "GIT_CONFIG_SYSTEM=$BUILD_MOUNT/gitconfig" "$CONTAINER"
    commit_container "$name"
}

# The folder that holds bin/swift and lib/swift of this machine, also where `swift` is a launcher.
toolchain_folder() {
    local resources
    resources=$(TMPDIR=$WORK swift -print-target-info | jq --raw-output '.paths.runtimeResourcePath')
    (cd -- "$resources/../.." && pwd -P)
}

# prepare_build_mount: fills BUILD_MOUNT for the builds to see: the toolchain, and the Swift packages that git takes from
# folders of this machine (url.….insteadOf), with a git configuration that finds them there. All of it hangs on a tmpfs
# in this process's own mount namespace, read-only: there is nothing to clean up, and nothing that cleaning up could reach.
prepare_build_mount() {
    local key source target count=0
    [[ "$(readlink /proc/self/ns/mnt)" != "${OUTER_MOUNT_NAMESPACE:?}" ]] || die "needs a mount namespace of its own"
    mount -t tmpfs -o mode=0755 tmpfs "$BUILD_MOUNT"
    mount_read_only "$(toolchain_folder)" "$BUILD_MOUNT/toolchain"
    git config --file "$BUILD_MOUNT/gitconfig" --add safe.directory '*'
    while read -r key source; do
        target=${key#url.}
        target=${target%.insteadof}
        if [[ -d "${target#file://}" ]]; then
            mount_read_only "${target#file://}" "$BUILD_MOUNT/packages-$((++count))"
            target=$BUILD_MOUNT/packages-$count/
        fi
        git config --file "$BUILD_MOUNT/gitconfig" --add "url.$target.insteadOf" "$source"
    done < <(git config --get-regexp '^url\..*\.insteadof$' || true)
    mount -o remount,ro "$BUILD_MOUNT"
}

mount_read_only() {
    mkdir -- "$2"
    mount --bind -o ro "$1" "$2"
}

# build_image NAME REPOSITORY VERSION REVISION: builds the Dockerfile. The toolchain stage is tagged, so that pruning
# what earlier builds left keeps it. (The labels come by --label too: buildah 1.28 takes a label from its cache
# although the build argument in it has changed.)
build_image() {
    local name=$1 repository=$2 version=$3 revision=$4
    local build=("${BUILDAH[@]}" build --layers --format docker --pull-never --volume "$BUILD_MOUNT:$BUILD_MOUNT:ro,rbind"
        --build-arg "SWIFT_IMAGE=$SWIFT_IMAGE" --build-arg "RUNTIME_IMAGE=$RUNTIME_IMAGE")
    local toolchain
    toolchain=$name-toolchain-$(cat -- "$repository/Dockerfile" <(echo "$SWIFT_IMAGE") | sha256sum | cut -c 1-16)
    if ! "${BUILDAH[@]}" inspect --type image "$toolchain" >/dev/null 2>&1; then
        "${BUILDAH[@]}" images --quiet --filter "reference=$name-toolchain-*" |
            xargs --no-run-if-empty "${BUILDAH[@]}" rmi >/dev/null 2>&1 || true
        quietly "$WORK/build-toolchain.log" "${build[@]}" --target toolchain --tag "$toolchain" "$repository"
    fi
    quietly "$WORK/build.log" "${build[@]}" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
        --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$revision" \
        --tag "$name" "$repository"
    "${BUILDAH[@]}" rmi --prune >/dev/null 2>&1 || true
}
