"""What the pipeline's components load: the task, model, training and the two exports.

The components name these modules by dotted path (`modules.lite.run_fn`), so nothing here is
imported where a pipeline is only composed or compiled.
"""

import os

# TFLiteConverter aborts the whole process on a SavedModel written by Keras 3 with TensorFlow 2.16
# (LLVM "missing attribute 'value'"). tf-keras works on both stacks, and TensorFlow reads this
# variable once, at its first import. Whatever the user's shell says is meant for other programs.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
# TensorFlow and TFMA import Keras 3 all the same, which would load the backend of this variable or
# of ~/.keras/keras.json: PyTorch or JAX, which we do not install.
os.environ["KERAS_BACKEND"] = "tensorflow"
