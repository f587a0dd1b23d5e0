"""The platform's own revenue, in the public schema: what brokers pay for running on it.

Plans, trials, usage, invoices, dunning; through Stripe when its keys are in the environment, by
hand ("manual") without them. Imports tenants only. What a state forbids is asked of
tenants.standing, by whoever opens positions or adds accounts; nobody is ever kept from closing.
"""
