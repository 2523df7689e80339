"""What all tests share."""

from hypothesis import settings

# A run of the tests is the same everywhere and on a busy machine: other examples come with another seed, by
# `pytest --hypothesis-profile=default --hypothesis-seed=1`.
settings.register_profile("armlift", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("armlift")
