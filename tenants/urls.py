"""URLs under /brand/, on every host: the brand's style sheet and icon, the reader's theme."""

from django.urls import path

from tenants.brand_css import brand_css
from tenants.brand_icon import brand_icon
from tenants.theme import set_theme

app_name = "tenants"
urlpatterns = [
    path("<int:version>.css", brand_css, name="brand_css"),
    path("<int:version>.svg", brand_icon, name="brand_icon"),
    path("theme", set_theme, name="set_theme"),
]
