"""The prior: a small recurrent network, trained once on synthetic series, that forecasts series it has never seen."""
