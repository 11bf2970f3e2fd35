"""Review after the fact: what was changed without asking, who changed it, and how to take it back."""
