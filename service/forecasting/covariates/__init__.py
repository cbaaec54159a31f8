"""The effects of future covariates and calendar features, estimated by regression."""
