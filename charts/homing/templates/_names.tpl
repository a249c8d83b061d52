{{/*
Names are fixed: certificates, the operator's checks and the agents' environment hang on them. They are those of crds/cluster.ts.
*/}}
{{- define "homing.operator" -}}homing-operator{{- end }}
{{- define "homing.agent" -}}homing-agent{{- end }}
{{- define "homing.test" -}}homing-test{{- end }}
{{- define "homing.trustSecret" -}}homing-trust{{- end }}
{{- define "homing.caSecret" -}}homing-ca{{- end }}
{{- define "homing.ledger" -}}homing-ledger{{- end }}
{{- define "homing.lease" -}}homing-operator{{- end }}
{{- define "homing.audience" -}}homing{{- end }}
{{- define "homing.operatorPort" -}}17330{{- end }}

{{/* What a selector can hold: never changes between versions. Argument: the component. */}}
{{- define "homing.selector" -}}
app.kubernetes.io/name: homing
app.kubernetes.io/component: {{ . }}
{{- end }}

{{/* Labels of every object. Argument: dict "root" $ "component" NAME. */}}
{{- define "homing.labels" -}}
{{ include "homing.selector" .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: homing
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of a pod: what upgrades change is left out where it would start pods anew for nothing. Argument as above, and "labels". */}}
{{- define "homing.podLabels" -}}
{{ include "homing.selector" .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: homing
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- with .labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "homing.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}
