"""Log-in: users of the broker's own schema, e-mail and password, optional TOTP."""

__all__ = [
    "ACCOUNT_ADAPTER", "ACCOUNT_EMAIL_NOTIFICATIONS", "ACCOUNT_EMAIL_VERIFICATION",
    "ACCOUNT_LOGIN_METHODS",
    "ACCOUNT_LOGOUT_ON_GET", "ACCOUNT_PREVENT_ENUMERATION", "ACCOUNT_SIGNUP_FIELDS",
    "ACCOUNT_USER_MODEL_USERNAME_FIELD", "AUTHENTICATION_BACKENDS", "AUTH_PASSWORD_VALIDATORS",
    "AUTH_USER_MODEL", "LOGIN_REDIRECT_URL", "LOGIN_URL", "LOGOUT_REDIRECT_URL",
    "MFA_ADAPTER", "MFA_ALLOW_UNVERIFIED_EMAIL", "MFA_SUPPORTED_TYPES",
]  # fmt: skip

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

ACCOUNT_ADAPTER = "apps.accounts.allauth_adapter.BrokerAccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # people are invited by their broker, not signed up
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a changed password or second factor is told by mail
ACCOUNT_LOGOUT_ON_GET = False
# The broker gives people their addresses; nobody signs up, so there is nothing to verify first.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ADAPTER = "apps.accounts.allauth_adapter.BrokerMfaAdapter"
