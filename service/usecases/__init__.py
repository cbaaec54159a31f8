"""The operations of the service, as plain functions that do not depend on HTTP."""
