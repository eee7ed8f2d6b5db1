"""The specification as TFX makes it."""

from tfx.orchestration import pipeline
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from kubeflow.names import ADAPTER
from kubeflow.spec import Spec
from pipelines import beam, dag
from pipelines.settings import Settings


def build(settings: Settings, image: str) -> Spec:
    """What `KubeflowV2DagRunner` compiles with schema 2.1.0."""
    config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
        display_name=settings.name,
        default_image=image,
        default_commands=list(ADAPTER),
        use_pipeline_spec_2_1=True,
    )
    made = pipeline.Pipeline(
        pipeline_name=settings.name,
        # A root here would be read at compile time; KFP gives each run its own.
        pipeline_root="",
        # The tasks learn both from the run's parameters.
        components=dag.components(settings, dag.Places(examples="", serving="")),
        enable_cache=True,
        beam_pipeline_args=beam.pipeline_args(settings.beam, examples=0),
    )
    job = kubeflow_v2_dag_runner.KubeflowV2DagRunner(config).run(made, write_out=False)
    spec: Spec = job["pipelineSpec"]
    return spec
