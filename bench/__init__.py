"""Every figure that is claimed, measured beside its peer in one run. `python3 dev.py bench [engine|http|images|queue]`."""
