"""The topics of ``blocks``, a page each: a function of a bench (and of epochs and a limit, if it trains)."""
