"""Running models: sessions here or in workers, fed with data, trained and distilled."""
