# The container image, for those who have a container engine; `npm run image` makes the same without one.
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/homing:0.1.0 --push .
# The base is pinned by its exact tag. Pin it by digest too where your registry shows you one:
#   --build-arg BASE=node:24.21.0-bookworm-slim@sha256:…
ARG BASE=node:24.21.0-bookworm-slim
FROM ${BASE} AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates dpkg-dev gcc libc6-dev libssl-dev make xz-utils \
  && rm -rf /var/lib/apt/lists/*.lz4
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN node_modules/.bin/node image/image.ts --root /root-fs

# Nothing but what Homing needs: no shell, no package manager. Two layers, as Node seldom changes.
FROM scratch
COPY --from=build /root-fs/base/ /
COPY --from=build /root-fs/app/ /
USER 65532:65532
WORKDIR /opt/homing
ENV PATH=/usr/bin UV_THREADPOOL_SIZE=16 MALLOC_ARENA_MAX=1
ENTRYPOINT ["/usr/bin/tini", "--", "/opt/homing/bin/node", "--no-incremental-marking", "--max-semi-space-size=4", "/opt/homing/dist/homing.js"]
