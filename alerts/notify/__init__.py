"""Messages out: one channel, one file; one sender for all.

A channel is pure: what is to be said becomes a request, an answer becomes an outcome. Only
:mod:`alerts.notify.sending` speaks to the network, through :mod:`alerts.notify.guard`, and neither
logs nor raises anything that holds a secret.
"""
