"""The stages of the ladder, a page each."""
