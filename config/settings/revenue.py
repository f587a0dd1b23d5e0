"""What the platform charges brokers: Stripe's keys. Without them billing is by hand."""

from config.settings.env import env

__all__ = ["STRIPE_API_BASE", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "TRIAL_DAYS"]

STRIPE_SECRET_KEY: str = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRET: str = env.str("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_API_BASE: str = env.str("STRIPE_API_BASE", default="")  # empty: Stripe's own
# A new broker's trial; 0: brokers have no contract until staff gives them one.
TRIAL_DAYS: int = env.int("TRIAL_DAYS", default=0)
