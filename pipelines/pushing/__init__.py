"""Pushes of models: each version is whole or absent, and no push makes two.

records       (what claims a version and tells whose it is, in directories and object stores alike)
-> directory  (a push to a path of this machine or a mounted one)

DESTINATION/VERSION/...       a model
DESTINATION/.pushes/VERSION   the record of its push
DESTINATION/.staging/...      copies under way, in directories only
"""
