"""FAUST EDGE: the only rooms that know Faust and Kafka.

``batching`` hands agents whole fetched batches, ``counting`` and ``merging`` hold the state that
agents feed, ``state_log`` and ``recovery`` carry counting state over crashes and moves, ``watching`` has one
worker judge what all have counted, ``app`` puts them together.
"""
