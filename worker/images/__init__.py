"""Pictures: what each platform wants, and how a master becomes it.

`platforms`, `platform_file`, `planning`, `fit` and `caps` are light and may be imported by anything above; the other
modules import Pillow or numpy and run their work on a `PixelPool`, never on the event loop. The bytes of a master are
never changed: every rendition is made anew from them.
"""
