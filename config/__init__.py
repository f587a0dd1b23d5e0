"""Config: settings, URLs, WSGI, ASGI, Celery. May import everything; nothing imports it."""
