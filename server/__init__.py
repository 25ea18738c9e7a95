"""HTTP in, server-sent events out. One subject a file; `routes.py` shows every URL.

The server knows kinds of jobs only through its catalogue, and of the worker only `app.py` knows.
"""
