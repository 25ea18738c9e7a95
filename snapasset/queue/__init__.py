"""What carries rings: SAQ queues, one backend a file.

A ring is a SAQ job that says "there is work"; what the work is, the record knows. Every backend is a
`saq.queue.base.Queue` under SAQ's own Worker, and passes the one suite in `tests/contracts/test_queue.py`.
"""
