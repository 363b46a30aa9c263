"""Coverage: every class of both frameworks, where it stands in dualnet, and how exactly the two sides agree."""
