"""From a log, or a table, to typed columns: what was assigned, exposed and observed, and what it is worth."""
