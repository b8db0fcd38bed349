"""Label Studio, a labelling tool of its own, spoken to by plain REST: what goes there, and what comes back."""
