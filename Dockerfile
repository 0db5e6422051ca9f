# The web server with what it serves; DATABASE_URL, VALKEY_URL and SECRET_KEY come from outside.
#   docker build -t agent-dashboard .
#   docker run --env-file settings.env agent-dashboard python manage.py migrate
#   docker run --env-file settings.env -p 8000:8000 agent-dashboard
#   docker run --env-file settings.env agent-dashboard python manage.py sweep
ARG BASE=python:3.11.13-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PATH=/opt/venv/bin:$PATH
WORKDIR /app
RUN python3 -m venv /opt/venv
COPY requirements.txt ./
RUN pip install --require-hashes -r requirements.txt
COPY manage.py ./
COPY agent_sessions ./agent_sessions
COPY sessions_app ./sessions_app
COPY dashboard ./dashboard
COPY demo ./demo
COPY templates ./templates
COPY static ./static
COPY locale ./locale
RUN python -m dashboard.translations \
    && DATA_DIR=/tmp/data python manage.py collectstatic --no-input \
    && python -m compileall -q /app

FROM ${BASE}
RUN echo 'dashboard:x:10001:' >> /etc/group \
    && echo 'dashboard:x:10001:10001::/app:/usr/sbin/nologin' >> /etc/passwd
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 PORT=8000 DATA_DIR=/tmp/data STARTUP_WAIT=30
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
USER 10001:10001
EXPOSE 8000
# Of the web server or the watchdog, by what the container runs.
HEALTHCHECK --interval=15s --timeout=5s --start-period=40s --retries=3 \
    CMD ["python", "-m", "dashboard.healthcheck"]
CMD ["python", "-m", "dashboard.web"]
