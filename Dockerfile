# Chargefold as a container image: built with the Swift image, shipped on slim Debian.
#
#   docker build -t chargefold .
#   docker run -p 8080:8080 -v chargefold-data:/data --read-only chargefold
#
# Other base images (a mirror, a digest) can be given with --build-arg. scripts/container-test builds
# this very file where no registry can be reached.
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
FROM toolchain AS build
COPY . .
RUN --mount=type=cache,id=chargefold-build,target=/cache,sharing=locked \
    swift build --configuration release --product chargefold --static-swift-stdlib \
        --cache-path /cache/packages --scratch-path /cache/build \
    && install -D --mode 0755 /cache/build/release/chargefold /image/usr/local/bin/chargefold \
    && strip /image/usr/local/bin/chargefold

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

ARG VERSION=development
ARG REVISION=unknown
LABEL org.opencontainers.image.title="chargefold" \
      org.opencontainers.image.description="Receives the Drive API's charging session events, durably, and tells the current state of every session" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
