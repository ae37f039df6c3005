"""PURE: decoded rows in, exact counts out.

No I/O, no clock, no randomness: events and times come in as arguments, counts go out as values.
The rooms, in the order in which an event passes them:

- ``rows``        the columns of a batch of decoded events
- ``ordering``    lateness, future, event-time order across the two source topics
- ``recent``      "was this key seen within that time": dedupe and visitor marks
- ``clicks``      the newest click of a visitor, ``touches`` the newest sixteen
- ``credit``      the attribution models: last click, first touch, equal shares
- ``attribution`` what a line after the click owes to the visitor's clicks, by one model
- ``nodes``       events and visitors per node
- ``orders``      money, and the keys an order was paid under
- ``buckets``     ten-second counts, cumulative, with what changed since the last flush
- ``pipeline``    one source partition: all of the above in the contract's order
- ``merge``       source partitions' cumulative counts into exact totals
"""
