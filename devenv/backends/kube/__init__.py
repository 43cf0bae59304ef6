"""Any Kubernetes cluster that a kubeconfig leads to."""
