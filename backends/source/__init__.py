"""Writing a program as source: one pass decides orders of memory, one finds the classes, one prints them."""
