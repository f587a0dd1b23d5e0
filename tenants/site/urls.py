"""URLs of the public site. /status needs the engine's facts: config adds it (urls_public.py)."""

from django.urls import path

from tenants.site import views
from tenants.site.status import healthz

app_name = "site"
urlpatterns = [
    path("", views.home, name="home"),
    path("product/<slug:slug>", views.product, name="product"),
    path("demo", views.demo, name="demo"),
    path("login", views.find_broker, name="login"),
    path("healthz", healthz, name="healthz"),
]
