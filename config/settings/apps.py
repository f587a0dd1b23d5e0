"""Installed apps, middleware, templates, static files, languages."""

import sys

from django.utils.translation import gettext_lazy as _

from config.settings.env import BASE_DIR, DEBUG, env

__all__ = [
    "ASGI_APPLICATION", "BASE_DIR", "DEBUG", "DEFAULT_AUTO_FIELD", "FORM_RENDERER",
    "INSTALLED_APPS", "LANGUAGES", "LANGUAGE_CODE", "LOCALE_PATHS", "MEDIA_ROOT", "MEDIA_URL",
    "MIDDLEWARE", "PUBLIC_HOST", "PUBLIC_SCHEMA_URLCONF", "ROOT_URLCONF", "SHARED_APPS",
    "SHOW_PUBLIC_IF_NO_TENANT_FOUND", "STATICFILES_DIRS", "STATIC_ROOT", "STATIC_URL", "STORAGES",
    "TEMPLATES", "TENANT_APPS", "TENANT_DOMAIN_MODEL", "TENANT_MODEL", "TIME_ZONE", "USE_I18N",
    "USE_TZ", "WHITENOISE_AUTOREFRESH", "WHITENOISE_USE_FINDERS", "WSGI_APPLICATION",
]  # fmt: skip

PUBLIC_HOST: str = env.str("PUBLIC_HOST", default="localhost")

# Platform-wide, in the public schema.
SHARED_APPS = [
    "django_tenants",
    "tenants",
    "tenants.revenue",
    *(["daphne"] if "runserver" in sys.argv else []),  # its import costs every process 0.8 s
    "channels",
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_htmx",
    "csp",
]
# One copy of these tables in every broker's schema.
TENANT_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "apps.accounts",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "apps.allocation",
    "apps.engine",
    "apps.billing",
    "apps.leaderboards",
    "apps.widgets",
    "apps.live",
    "apps.api",
    "apps.portals",
    "apps.demo",
    "rest_framework",
    "drf_spectacular",
]
INSTALLED_APPS = SHARED_APPS + [app for app in TENANT_APPS if app not in SHARED_APPS]

TENANT_MODEL = "tenants.Broker"
TENANT_DOMAIN_MODEL = "tenants.Domain"
ROOT_URLCONF = "config.urls_broker"
PUBLIC_SCHEMA_URLCONF = "config.urls_public"
SHOW_PUBLIC_IF_NO_TENANT_FOUND = False

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",  # before the broker: files need no database
    "tenants.middleware.BrokerMiddleware",
    "tenants.middleware.RequestIdMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenants.context.brand",
            ]
        },
    }
]
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
MEDIA_URL = "/media/"
MEDIA_ROOT = env.path("MEDIA_ROOT", default=str(BASE_DIR / "var" / "media"))

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
