"""Where it runs: spec compiler, container adapter, object stores."""
