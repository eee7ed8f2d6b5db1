"""The command of every TFX task: between KFP's launcher and the TFX executor.

KFP's launcher -> invocation (what it asks, with local paths and real types)
-> staging    (its files on a shared volume, where Beam's workers are elsewhere)
-> executor   (its own process: TFX's entry point, unmodified)
-> result     (what TFX answers, with URIs)
-> publish    (a Pusher's model to an object store)
"""
