"""What runs: typed settings, data, the DAG with its branches, the local runner, the report."""
