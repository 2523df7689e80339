"""Multivariate tests: effects and interactions of factors, and the best combination."""
