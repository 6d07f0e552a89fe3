# podhook as an image: one static binary and its licences, for linux/amd64, arm64,
# arm/v7, ppc64le, s390x and riscv64. `make image` builds it.
#
# The same sources, version and Go give the same bytes. For a release, name the
# builder by its digest: --build-arg GO_IMAGE=golang:1.26-bookworm@sha256:...
ARG GO_IMAGE=golang:1.26-bookworm

# The build runs on the builder's platform and compiles for the target platform.
# Without BuildKit BUILDPLATFORM is unset; "linux" is the platform of this host.
FROM --platform=${BUILDPLATFORM:-linux} ${GO_IMAGE} AS build
ARG GOPROXY
ARG GOFLAGS=-mod=readonly
WORKDIR /src
COPY go.mod go.sum ./
COPY agent/procfs/go.mod agent/procfs/
RUN go mod download
COPY . .
ARG TARGETARCH
ARG TARGETVARIANT
ARG VERSION=devel
# Seconds since 1970. COPY keeps the time of a file, so the layer has it too.
ARG SOURCE_DATE_EPOCH=0
RUN if [ -n "$TARGETARCH" ]; then export GOARCH="$TARGETARCH" GOARM="${TARGETVARIANT#v}"; fi; \
    make bin/podhook bin/NOTICES VERSION="$VERSION" && \
    mkdir -p /image/licenses && chmod 755 /image/licenses && \
    cp bin/podhook /image/ && cp LICENSE bin/NOTICES /image/licenses/ && \
    find /image -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

FROM scratch
ARG VERSION=devel
ARG REVISION
LABEL org.opencontainers.image.title="podhook" \
      org.opencontainers.image.description="Lifecycle hooks of containers: reliable, visible, measurable" \
      org.opencontainers.image.source="https://github.com/podhook/podhook" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /image/ /
# A number: with runAsNonRoot kubelet refuses a name, which may mean root.
USER 65532:65532
ENTRYPOINT ["/podhook"]
