"""Any rule as a native optimizer of a framework."""
