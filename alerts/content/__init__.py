"""Incidents in words: English and Chinese, plain text, one message for one channel. Pure.

What comes from the shop's events (names of SKUs, banners, slots) is made harmless to read here
(:mod:`alerts.content.clean`); markup is the channels' business.
"""
