"""PostgreSQL (one schema per broker) and Redis."""

from urllib.parse import unquote

from config.settings.env import env

__all__ = [
    "CACHES", "CHANNEL_LAYERS", "DATABASES", "DATABASE_ROUTERS", "REDIS_URL", "TABLE_FILLFACTORS",
    "TENANT_BASE_SCHEMA", "TENANT_CREATION_FAKES_MIGRATIONS", "TENANT_LIMIT_SET_CALLS",
]  # fmt: skip

_database = env.db_url("DATABASE_URL", default="postgres://postgres@localhost:5432/prorata")

DATABASES = {
    "default": {
        **_database,
        "HOST": unquote(_database["HOST"]),  # a unix socket's directory is written %2F…
        "ENGINE": "django_tenants.postgresql_backend",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]

# A new broker's schema is a clone of this one: 0.35 s instead of 3 s.
TENANT_BASE_SCHEMA = "template_broker"
TENANT_CREATION_FAKES_MIGRATIONS = True
TENANT_LIMIT_SET_CALLS = True

REDIS_URL: str = env.str("REDIS_URL", default="redis://localhost:6379/0")

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_FUNCTION": "django_tenants.cache.make_key",
        "REVERSE_KEY_FUNCTION": "django_tenants.cache.reverse_key",
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
}

# Rows that are written thousands at a time and changed soon after: half of each page is left for
# their next version (tenants.storage). A close then costs a third; the tables are twice as large.
TABLE_FILLFACTORS = {"allocation_ticket": 50, "allocation_accountstate": 50}
