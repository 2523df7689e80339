"""From estimates to words: families of comparisons, guardrails, segments, and the verdict."""
