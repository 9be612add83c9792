"""What keeps `lifelong watch` running after login and reboot."""

from rag_lifelong.service.installed import (
    install,
    service_name,
    status,
    supervisor_for,
    uninstall,
    watch_command,
)
from rag_lifelong.service.programs import Completed, Run, run_program
from rag_lifelong.service.supervisor import Standing, Supervisor

__all__ = [
    "Completed",
    "Run",
    "Standing",
    "Supervisor",
    "install",
    "run_program",
    "service_name",
    "status",
    "supervisor_for",
    "uninstall",
    "watch_command",
]
