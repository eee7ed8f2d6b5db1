"""What every test shares."""

import os

import hypothesis

import modules  # noqa: F401  (chooses the Keras that TensorFlow loads, before a test imports it)

# A test is the same every time it runs: a failure in CI is one at the desk.
hypothesis.settings.register_profile(
    "same", derandomize=True, deadline=None, database=None, max_examples=100
)
hypothesis.settings.load_profile("same")

# Servers in tests are on this machine, whatever proxy it uses.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
