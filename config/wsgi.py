"""The web application that granian serves."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
os.environ["PIECEWORK_PROCESS"] = "web"

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
