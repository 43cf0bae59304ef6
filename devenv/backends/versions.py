"""The oldest version of each program that devenv works with."""

DOCKER = (25, 0)  # the first engine with start_interval, without which waiting takes seconds longer
COMPOSE = (2, 20, 2)
MINIKUBE = (1, 33)
HELM = (3, 14)  # the first with --dry-run=server and labels that devenv needs
