"""Our own TFX components, beside the standard ones."""
