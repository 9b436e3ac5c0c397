"""Stage analyse: from items to tables, curves, findings, figures and the report."""
