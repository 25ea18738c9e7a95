"""Streams: everything between the news of jobs and the sockets of who reads them.

One subject a file: `hub` has all streams of this process, `topic` what is common to all that can be watched, `job_topic` one
watched job, `reader` one connection, `wire` the ways to a socket, `frames` the bytes, `beat` what every open stream is
due, `sweep` what the feed may have lost, `response` the answer over HTTP.
"""
