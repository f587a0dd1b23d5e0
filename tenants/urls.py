"""URLs under /brand/, on every host: the brand's style sheet, the reader's theme."""

from django.urls import path

from tenants.brand_css import brand_css
from tenants.theme import set_theme

app_name = "tenants"
urlpatterns = [
    path("<int:version>.css", brand_css, name="brand_css"),
    path("theme", set_theme, name="set_theme"),
]
