"""The platform's public site: what the product is, and the status page."""
