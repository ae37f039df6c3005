# The image of every part of Funnelwatch: `docker run funnelwatch worker`, `... topics create`.
# It runs as a plain user, needs no shell, and writes only below /tmp and /var/lib/funnelwatch.

FROM python:3.11.15-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN ["python", "-m", "venv", "/opt/funnelwatch"]

# What it needs, in a layer of its own: that changes less often than the code.
COPY requirements.lock ./
RUN ["/opt/funnelwatch/bin/pip", "install", "--require-hashes", "--requirement", "requirements.lock"]

COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY streams streams
COPY alerts alerts
COPY grafana grafana
RUN ["/opt/funnelwatch/bin/pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", "."]
RUN ["/opt/funnelwatch/bin/pip", "install", "--no-deps", "--no-index", "--find-links", "dist", "funnelwatch"]
RUN ["/opt/funnelwatch/bin/pip", "check"]


FROM python:3.11.15-slim-bookworm
ENV PATH=/opt/funnelwatch/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN ["useradd", "--uid", "10001", "--user-group", "--create-home", "--home-dir", "/var/lib/funnelwatch", "--shell", "/usr/sbin/nologin", "funnelwatch"]
COPY --from=build /opt/funnelwatch /opt/funnelwatch
USER 10001:10001
WORKDIR /var/lib/funnelwatch
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=6 CMD ["funnelwatch", "healthcheck", "--url", "http://127.0.0.1:8080/livez"]
ENTRYPOINT ["funnelwatch"]
CMD ["worker"]
