"""The specification as TFX makes it."""

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.orchestration import pipeline
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from kubeflow.names import ADAPTER
from kubeflow.spec import Spec
from modules.task import Task
from pipelines import beam, dag
from pipelines.errors import SettingsError
from pipelines.settings import Beam, Settings


def build(settings: Settings, task: Task, image: str) -> Spec:
    """What `KubeflowV2DagRunner` compiles with schema 2.1.0.

    Raises:
      SettingsError: Beam's runner cannot reach the tasks' files.
    """
    _check_beam(settings.beam)
    # The tasks learn all of these when they run.
    components = dag.components(
        settings, task, dag.Places(examples="", serving=""), dag.Run(id="", dataset="")
    )
    if settings.beam.staging:
        _stage(components, settings.beam.staging)
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
        components=components,
        enable_cache=True,
        beam_pipeline_args=beam.pipeline_args(settings.beam),
    )
    job = kubeflow_v2_dag_runner.KubeflowV2DagRunner(config).run(made, write_out=False)
    spec: Spec = job["pipelineSpec"]
    return spec


def _stage(components: list[BaseComponent], directory: str) -> None:
    """Tells the adapter of those components that use Beam."""
    for component in components:
        if isinstance(component.executor_spec, BeamExecutorSpec):
            component.executor_spec.add_beam_pipeline_args([f"--beam_staging={directory}"])


def _check_beam(settings: Beam) -> None:
    """Refuses what fails in a task: its files are on a disk of its pod, and its image has no Java.

    Raises:
      SettingsError: Says what works instead.
    """
    if settings.runner in ("flink", "spark"):
        raise SettingsError(
            f"beam.runner {settings.runner} starts Java, which tasks do not have: run Beam's job "
            "server beside the cluster, and take the runner portable with its beam.job_endpoint"
        )
    if settings.runner == "portable" and settings.environment == "LOOPBACK":
        raise SettingsError(
            "beam.environment LOOPBACK is this machine's own: on Kubeflow Pipelines take EXTERNAL, "
            "a worker pool beside each worker of the cluster (docs/beam.md)"
        )
    if settings.runner == "portable" and not settings.staging:
        raise SettingsError(
            "beam.runner portable needs beam.staging on Kubeflow Pipelines: a task's files are on "
            "a disk of its own pod, which the cluster's workers do not see"
        )
