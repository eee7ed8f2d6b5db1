"""KFP's API, through the public methods of `kfp.Client` alone.

The generated API below them was renamed between releases (2.17). Importing takes two seconds, so
commands import it late.
"""
