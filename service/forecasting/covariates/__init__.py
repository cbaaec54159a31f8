"""Future covariates and calendar features, as a regression."""
