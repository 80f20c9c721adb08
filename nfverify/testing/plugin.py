"""The pytest plugin: thin, so that pytest without nfverify's tests pays nothing for it.

All that knows packets, models or solvers is imported by what first needs it.
"""
