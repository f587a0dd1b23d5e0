"""Who may open what: one table over every address, walked as every role of both brokers."""
