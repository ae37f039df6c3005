"""What operators look at in a browser, and the API behind it: the live page at ``/`` and ``/api/v1``.

The rooms: ``capturing`` copies, once a bucket and on the watcher's thread, what is to be shown into a
:class:`~streams.web.picture.Picture`; ``board`` keeps incidents and silences as their topics tell them;
``reading`` makes answers of both, in a thread; ``endpoints``, ``openapi`` and ``api`` serve them; ``page``
and ``live`` are the page and its updates. Judgement (words, places, splits) is handed in as functions of
plain data (``handed``): nothing here knows the package ``alerts``, Faust or Kafka.
"""
