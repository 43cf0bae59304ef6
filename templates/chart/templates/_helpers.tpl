{{/*
What the templates have in common. Labels and selectors are called with the root, a unit and its role, and with the
labels that stand beside them already: include "CHART.labels" (list $ "orders" "service" "team")
*/}}

{{/* Labels by which a unit's pods are found. They cannot change once the unit is installed. */}}
{{- define "CHART.selector" -}}
app.kubernetes.io/name: {{ index . 1 | quote }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}
{{- end }}

{{/* Labels of a unit's pods. */}}
{{- define "CHART.podLabels" -}}
{{- $root := index . 0 -}}
{{- $labels := $root.Values.labels | default dict -}}
{{ include "CHART.selector" . }}
app.kubernetes.io/part-of: {{ get $labels "app.kubernetes.io/part-of" | default $root.Chart.Name | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
devenv.dev/stack: {{ $root.Release.Name | quote }}
devenv.dev/unit: {{ index . 1 | quote }}
devenv.dev/role: {{ index . 2 }}
{{- range $name, $value := omit $labels "app.kubernetes.io/part-of" }}
{{- if not (has $name (slice $ 3)) }}
{{ toYaml (dict $name $value) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels of any object. */}}
{{- define "CHART.labels" -}}
{{- $root := index . 0 -}}
{{ include "CHART.podLabels" . }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_." }}
{{- end }}

{{/* The reference of an image: by its digest, else by its tag. Call: include "CHART.image" (list $ $unit.image) */}}
{{- define "CHART.image" -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else if $image.tag -}}
{{ $image.repository }}:{{ $image.tag }}
{{- else -}}
{{ $image.repository }}
{{- end -}}
{{- end }}

{{/* The name of the pods' ServiceAccount. */}}
{{- define "CHART.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary .Chart.Name "default" .Values.serviceAccount.create) }}
{{- end }}

{{/*
The variables of a container: those of its template, as YAML, without those that a value replaces; then the values.
Kubernetes expands $(NAME) and $$ in a text, so a text with either gets its dollars doubled.
toYaml makes another text of some control characters and line separators, and nothing at all of a list with others:
they are refused.
Call: include "CHART.env" (list $ $unit.env (include "CHART.orders.env" $))
*/}}
{{- define "CHART.env" -}}
{{- $root := index . 0 -}}
{{- $values := index . 1 -}}
{{- $entries := list -}}
{{- range fromYamlArray (index . 2) -}}
{{- if not (hasKey $values .name) -}}
{{- $entries = append $entries . -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := $values -}}
{{- if regexMatch "[\\x7f-\\x9f\\x{2028}\\x{2029}]" (toString $value) -}}
{{- fail (printf "the variable %s holds a control character that a chart cannot carry: put it into a file" $name) -}}
{{- end -}}
{{- if kindIs "map" $value -}}
{{- $reference := dict "name" $root.Values.secret "key" $value.secret -}}
{{- $entries = append $entries (dict "name" $name "valueFrom" (dict "secretKeyRef" $reference)) -}}
{{- else if or (contains "$(" $value) (contains "$$" $value) -}}
{{- $entries = append $entries (dict "name" $name "value" (replace "$" "$$" $value)) -}}
{{- else -}}
{{- $entries = append $entries (dict "name" $name "value" $value) -}}
{{- end -}}
{{- end -}}
{{- toYaml $entries -}}
{{- end }}

{{/* Variables that a Secret has under their own names. Call: include "CHART.fromSecret" (list "SECRET" "NAME" ...) */}}
{{- define "CHART.fromSecret" -}}
{{- $secret := first . -}}
{{- $entries := list -}}
{{- range rest . -}}
{{- $entries = append $entries (dict "name" . "valueFrom" (dict "secretKeyRef" (dict "name" $secret "key" .))) -}}
{{- end -}}
{{- toYaml $entries -}}
{{- end }}

{{/*
A job. One that runs along with the release, and not as a hook, carries what it was made of. Later releases have it as it
was: else Helm, going back to the release that made it, would make it anew, and an old migration would run on new data.
It goes where Helm no longer knows that release. Call: include "CHART.job" (list $ "migrate" "the job, as YAML")
*/}}
{{- define "CHART.job" -}}
{{- $root := first . -}}
{{- $job := last . | fromYaml -}}
{{- $jobs := dict -}}
{{- range (lookup "batch/v1" "Job" $root.Release.Namespace "").items -}}
{{- if and (eq (get (.metadata.labels | default dict) "devenv.dev/unit") (index $ 1)) (eq (get .metadata.labels "devenv.dev/stack") $root.Release.Name) -}}
{{- with get (.metadata.annotations | default dict) "devenv.dev/made-of" -}}
{{- $made := fromJson . -}}
{{- if gt (add $made.revision 30) $root.Release.Revision -}}
{{- $_ := set $jobs $made.job.metadata.name $made -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if hasKey ($job.metadata.annotations | default dict) "helm.sh/hook" -}}
{{ toYaml $job }}
{{- else if not (hasKey $jobs $job.metadata.name) -}}
{{- $_ := set $jobs $job.metadata.name (dict "job" $job "revision" $root.Release.Revision) -}}
{{- end }}
{{- range $jobs }}
{{- $annotations := merge (dict "devenv.dev/made-of" (toJson .)) (.job.metadata.annotations | default dict) }}
---
{{ merge (dict "metadata" (merge (dict "annotations" $annotations) .job.metadata)) .job | toYaml }}
{{- end }}
{{- end }}
