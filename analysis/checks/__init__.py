"""Whether a log can be trusted: counts against propensities, and what differed beforehand."""
