# One image for the API and the worker. The API is what it runs by itself; a worker is the same with `python -m worker`.
#
# The base is pinned to a patch release of the lowest Python that the project supports, 3.11. Its tests run on a 3.11 too, but
# not on this very release: newer patches are welcome (`--build-arg PYTHON_IMAGE=…`). It is not pinned by a digest: add the one
# that your registry shows (`python:…@sha256:…`) where builds must be the same for ever.
ARG PYTHON_IMAGE=python:3.11.16-slim-trixie
# The Node that the studio is built by is the one that the tools for the tests bring, so it is tried too; nothing of it is in the image.
ARG NODE_IMAGE=node:24.19.0-trixie-slim

FROM ${NODE_IMAGE} AS studio
# Packages by the hashes of the lock file; none of them runs a script of its own.
WORKDIR /studio
COPY web/package.json web/package-lock.json web/.npmrc /studio/
RUN npm ci --include=dev --ignore-scripts --no-audit --no-fund --no-progress --loglevel=error
COPY web/index.html web/tsconfig.json web/vite.config.ts /studio/
COPY web/scripts /studio/scripts
COPY web/icons /studio/icons
COPY web/src /studio/src
RUN npm run build

FROM ${PYTHON_IMAGE} AS build
# What is installed is what was tried: each file by its hash, none built from source, so no compiler either.
COPY requirements/runtime.txt /build/requirements/runtime.txt
RUN python -m venv --without-pip /opt/snapasset \
    && pip --python /opt/snapasset/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary=:all: -r /build/requirements/runtime.txt
COPY snapasset /app/snapasset
COPY worker /app/worker
COPY server /app/server
RUN /opt/snapasset/bin/python -m compileall -q /app

FROM ${PYTHON_IMAGE}
# By number: Kubernetes cannot tell of a name whether it is root. The code is root's, so that the service cannot change it.
RUN groupadd --gid 10001 snapasset \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin snapasset \
    && install --directory --mode=0700 --owner=10001 --group=10001 /data
COPY --from=build /opt/snapasset /opt/snapasset
COPY --from=build /app /app
COPY --from=studio /studio/dist /app/web/dist
WORKDIR /app
USER 10001:10001

# /data is where to mount a volume; an empty named one takes its owner from here. VOLUME is not said: Railway refuses it,
# and without a mount it would leave an anonymous volume behind with each container.
# Beyond loopback the API starts only with ALLOW_ANONYMOUS=1, which is left to whoever runs it.
ENV PATH=/opt/snapasset/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    WORKER_PORT=8001 \
    DATA_DIR=/data
EXPOSE 8000

# The first SIGTERM begins the drain, DRAIN_SECONDS long; whoever stops the container must wait for longer than that.
STOPSIGNAL SIGTERM

# Asks the API, or the worker in its place: whichever runs here answers. The shell is for the variables. A worker whose
# WORKER_PORT was emptied tells nobody how it is, so it counts as unhealthy: start that one with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD exec python -m snapasset.healthcheck "http://127.0.0.1:${PORT:-8000}/health/live" "http://127.0.0.1:${WORKER_PORT:-8001}/health/live"

CMD ["python", "-m", "server"]
