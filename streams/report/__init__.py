"""RECORDED TRAFFIC OF A PROMOTION IN -> ONE PAGE ABOUT IT OUT: the verb ``report``.

A composition root: closed buckets of recordings (:mod:`streams.backtest`) are folded into sums, judged
or set beside the incidents that were told, and written as one HTML file or as Markdown.

arguments   of the verb, light
command     the verb
source      recordings and incidents
outline     which times are looked at: phases, steps of the charts, earlier days, the last promotion
track       counts and money of some keys together, by time
keyed       counts and money of every key
gathering   the fold over closed buckets
data        the report as plain data
figures     sums into figures: funnels, targets, the last time, earlier days
ranking     best and worst keys, and the scorecard
making      everything together
words       of a language; english, chinese
document    headings, tables, charts: what a page is made of
writing     the report in words: a document
timeline    charts over time; shapes draws, scatter and funnel are the other charts
html        a document as HTML; style is how it looks
markdown    a document as Markdown
"""

from __future__ import annotations
