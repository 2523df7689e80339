"""Estimators of what a target would have earned, one a file: means of terms, and what is made of those means."""
