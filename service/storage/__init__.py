"""Models, training inputs and the registry of names, status and jobs."""
