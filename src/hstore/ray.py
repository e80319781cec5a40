"""Ray: `HstoreSearch`, a search algorithm for Ray Tune, and `RayExecutor`, which runs objectives and workers on Ray.

Needs Ray: pip install 'ray[tune]'.
"""

from hstore.engine.bridges.ray_search import HstoreSearch, RayExecutor

__all__ = ["HstoreSearch", "RayExecutor"]
