"""From a log of ours to journeys: which answers were met, what was done, and whose it was, in parts that fit."""
