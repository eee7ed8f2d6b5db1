"""The pipeline on one machine: a supervising process without TensorFlow, and its worker."""
