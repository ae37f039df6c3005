"""RECORDED TRAFFIC IN -> INCIDENTS OUT: what would have been sent.

A composition root: recorded events go through the counting core as a worker would have read them, by
the clock of their own timestamps, and on through closing and the engine. Nothing depends on the time of
day or on how fast it goes.

arrivals    records of all source partitions in the order in which they came
parquet     the same from Parquet files (extra ``parquet``)
counting    records into the rollups that workers would have sent
recording   rollups in a file
reading     any recording into closed buckets
story       closed buckets into incidents, and two runs side by side
report      the table and the JSON
arguments   of the verb ``backtest``
command     the verb
"""

from __future__ import annotations
