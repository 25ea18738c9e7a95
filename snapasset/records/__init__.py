"""What can be asked of the record and done to it: one subject a file, each operation a frozen dataclass.

Every change of a job is one conditional statement and the event that tells it, in one transaction. No row changed
means that someone else was first: the operation then does nothing more.
"""
