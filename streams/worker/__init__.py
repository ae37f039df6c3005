"""FAUST EDGE: the only rooms that know Faust and Kafka.

``batching`` hands agents whole fetched batches, ``counting`` and ``merging`` hold the state that
agents feed, ``handover`` moves counting state between workers, ``app`` puts them together.
"""
