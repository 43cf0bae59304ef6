"""Objects of Kubernetes as a Compose project, from which a draft is made as from any other.

`objects` reads them; `project` makes a service of each workload, of which `pod`, `variables`, `mounts` and
`routes` have parts. What Compose has no words for is kept beside the project, and goes into the draft last.
"""
