"""URLs under /staff/ on the platform's own host."""

from django.urls import path

from tenants.revenue import views

app_name = "staff"
urlpatterns = [
    path("", views.contract_list, name="contracts"),
    path("login", views.login, name="login"),
    path("logout", views.logout, name="logout"),
    path("<slug:slug>/", views.contract, name="contract"),
    path("<slug:slug>/paid", views.paid, name="paid"),
    path("<slug:slug>/extend", views.extend, name="extend"),
]
