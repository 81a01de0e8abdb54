# One image for every service; docker-compose.yml says what each runs.
FROM python:3.13-slim AS build
WORKDIR /app
COPY pyproject.toml constraints.txt ./
COPY bin/setup bin/setup
RUN VENV=/opt/venv EXTRA=none PYTHON=python3 bin/setup

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    PROMETHEUS_MULTIPROC_DIR=/run/piecework/metrics \
    MEDIA_ROOT=/srv/media
RUN useradd --system --uid 10001 --no-create-home piecework \
    && mkdir -p /run/piecework/metrics /srv/media /app/staticfiles \
    && chown -R piecework /run/piecework /srv/media
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY . .
# The settings want addresses and secrets that a build has no business to know.
RUN DJANGO_SETTINGS_MODULE=config.settings.build python manage.py collectstatic --no-input
USER piecework
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", \
     "--workers", "2", "--blocking-threads", "5", "--respawn-failed-workers", \
     "--workers-kill-timeout", "20", "config.wsgi:application"]
