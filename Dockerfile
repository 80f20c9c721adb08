# nfverify with all that the gate needs: git for revisions, gcc for compiled models.
#
#   docker build -t nfverify .
#   docker run --rm -v "$PWD:/work" -u "$(id -u):$(id -g)" nfverify gate
#
# For builds that are the same tomorrow, name the base by digest: --build-arg BASE=python:3.11-slim-bookworm@sha256:…
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/nfverify
WORKDIR /src
COPY requirements.lock ./
RUN /opt/nfverify/bin/pip install --require-hashes -r requirements.lock
COPY . .
RUN /opt/nfverify/bin/pip install --no-deps --no-build-isolation .

FROM ${BASE}
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends gcc libc6-dev git \
    && rm -rf /var/lib/apt/lists/* \
    # What is mounted belongs to somebody else.
    && git config --system --add safe.directory /work \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin nfverify
COPY --from=build /opt/nfverify /opt/nfverify
# The cache is made at run time by whoever runs it, for it must be private. To keep it: -v DIR:/tmp/cache
ENV PATH=/opt/nfverify/bin:$PATH XDG_CACHE_HOME=/tmp/cache PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["nfverify"]
CMD ["--help"]
