"""From settings to a specification that Kubeflow Pipelines runs."""
