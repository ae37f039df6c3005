"""PromQL as named functions, by what they are about."""
