# shellcheck shell=bash disable=SC2034 # sourced by cluster.sh
# What is built, and of which version: what this release of Minikube asks for, and other ways to a node.
# programs/*/go.mod say the same versions to Go.
MINIKUBE=v1.36.0
KUBERNETES=v1.33.1
ETCD=3.5.21-0
COREDNS=v1.12.0
PAUSE=3.10
STORAGE_PROVISIONER=v5
PRELOAD=v18
# The compiler they were released with, whatever Go is installed: kubeadm of this version refuses a
# network when built with a newer one, which reads [10.96.0.1] as no address.
GO=go1.24.2
NODE_IMAGE=devenv-kicbase:v1

# program (a folder under programs/) | package | variables set in it
programs() {
    rows <<TABLE
crictl              | .                                  |
pause               | .                                  |
minikube            | k8s.io/minikube/cmd/minikube       | k8s.io/minikube/pkg/version.version=$MINIKUBE k8s.io/minikube/pkg/version.storageProvisionerVersion=$STORAGE_PROVISIONER
kube                | .                                  | k8s.io/component-base/version.gitVersion=$KUBERNETES k8s.io/component-base/version.gitMajor=1 k8s.io/component-base/version.gitMinor=33
etcd                | go.etcd.io/etcd/server/v3          |
coredns             | github.com/coredns/coredns         |
storage-provisioner | k8s.io/minikube/cmd/storage-provisioner |
kind                | sigs.k8s.io/kind                   |
registry            | .                                  |
TABLE
}

# image | stage of images/Dockerfile
images() {
    rows <<TABLE
registry.k8s.io/kube-apiserver:$KUBERNETES                   | kube
registry.k8s.io/kube-controller-manager:$KUBERNETES          | kube
registry.k8s.io/kube-scheduler:$KUBERNETES                   | kube
registry.k8s.io/kube-proxy:$KUBERNETES                       | kube-proxy
registry.k8s.io/etcd:$ETCD                                   | etcd
registry.k8s.io/coredns/coredns:$COREDNS                     | coredns
registry.k8s.io/pause:$PAUSE                                 | pause
gcr.io/k8s-minikube/storage-provisioner:$STORAGE_PROVISIONER | storage-provisioner
TABLE
}

# The programs that the images hold.
IMAGE_PROGRAMS=(pause kube etcd coredns storage-provisioner)

# Other ways for an image to a node; only tests of those ask for them.
WAYS=(kind registry)

# The fields of a row separated by | alone.
rows() { sed 's/ *| */|/g; s/ *$//'; }
