# shellcheck shell=bash disable=SC2034 # sourced
# What Minikube's release asks for: programs/*/go.mod say the same versions to Go.
MINIKUBE=v1.36.0
KUBERNETES=v1.33.1
ETCD=3.5.21-0
COREDNS=v1.12.0
PAUSE=3.10
STORAGE_PROVISIONER=v5
PRELOAD=v18
NODE_IMAGE=devenv-kicbase:v1
