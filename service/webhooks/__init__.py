"""Messages to the webhooks of tenants."""
