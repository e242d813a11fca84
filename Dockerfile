# Chargefold as a container image: built with the Swift image, shipped on slim Debian.
#
#   docker build -t chargefold .
#   docker run --name chargefold -p 127.0.0.1:8080:8080 -v chargefold-data:/data --read-only \
#     -e CHARGEFOLD_WEBHOOK_SECRET_CURRENT='the CURRENT secret of your webhook' \
#     -e CHARGEFOLD_API_TOKEN="$(openssl rand -hex 32)" chargefold
#
# Without a way to verify callbacks it does not start.
#
# Other base images can be given with --build-arg, from a mirror or by digest, which is what a release should do
# (RUNTIME_IMAGE=docker.io/library/debian@sha256:...). scripts/container-test builds this very file, where no registry can
# be reached too, always by digest.
ARG SWIFT_IMAGE=docker.io/library/swift:6.3-bookworm
ARG RUNTIME_IMAGE=docker.io/library/debian:bookworm-slim

# The compiler with the headers of the system libraries. A stage of its own, because it changes almost never.
FROM ${SWIFT_IMAGE} AS toolchain
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        libcurl4-openssl-dev libpq-dev libsqlite3-dev libssl-dev libyaml-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build

# .dockerignore lets through what a build needs and nothing else. The packages and what was compiled before lie in a cache
# beside the image (BuildKit and buildah know it): a change in Sources fetches nothing and does not compile the packages
# again, which a layer with the manifest alone could not spare. Stripped, because nothing but a debugger reads the symbols.
# No library lies beside the executable, so it has no path to look for one there. What is linked in is noted beside it:
# scanners know Package.resolved, and scripts/lib/sbom.py reads both.
FROM toolchain AS build
COPY . .
RUN --mount=type=cache,id=chargefold-build,target=/cache,sharing=locked \
    swift build --configuration release --product chargefold --static-swift-stdlib --disable-local-rpath \
        --cache-path /cache/packages --scratch-path /cache/build \
    && install -D --mode 0755 /cache/build/release/chargefold /image/usr/local/bin/chargefold \
    && strip /image/usr/local/bin/chargefold \
    && install -D --mode 0644 Package.resolved /image/usr/local/share/chargefold/Package.resolved \
    && swift --version 2>/dev/null | sed 1q >/image/usr/local/share/chargefold/toolchain

FROM ${RUNTIME_IMAGE}
# A fixed user id, so that a volume's owner is the same on every host. Nothing in here needs to become
# another user, so no program keeps its setuid or setgid bit.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates libcurl4 libpq5 libsqlite3-0 libssl3 libyaml-0-2 zlib1g \
    && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
    && groupadd --system --gid 10001 chargefold \
    && useradd --system --uid 10001 --gid chargefold --home-dir /data --no-create-home --shell /usr/sbin/nologin chargefold \
    && install --directory --owner chargefold --group chargefold --mode 0750 /data \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +

# Only /data is written to: run it with a read-only root file system.
ENV CHARGEFOLD_DATA_DIRECTORY=/data \
    CHARGEFOLD_HTTP_HOST=0.0.0.0
VOLUME /data
WORKDIR /data
EXPOSE 8080
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["chargefold", "healthcheck"]
ENTRYPOINT ["chargefold"]
CMD ["serve"]

COPY --from=build /image/ /

ARG RUNTIME_IMAGE
ARG VERSION=development
ARG REVISION=unknown
LABEL org.opencontainers.image.title="chargefold" \
      org.opencontainers.image.description="Receives the Drive API's charging session events, durably, and tells the current state of every session" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
