"""The web application that granian serves."""

import os

from config import environment

environment.load("production")
os.environ["PIECEWORK_PROCESS"] = "web"

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
