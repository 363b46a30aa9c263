"""The experiments: what people teach and test with both frameworks. Each runs both sides and returns a ``Result``."""
