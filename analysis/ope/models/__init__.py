"""Models of the reward, which make doubly robust estimators narrow; none of them need be right."""
