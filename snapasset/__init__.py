"""What the server and the worker both say: the record, the queue, the feed, the storage, and their words.

No HTTP, no picture code and no provider lives here. Importing it does nothing.
"""

__version__ = "0.1.0"
