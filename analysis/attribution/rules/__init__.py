"""Rules that share the credit for conversions among the touches before them, one a file."""
