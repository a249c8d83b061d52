/** Alerts for the Prometheus operator. Each has a page in docs/runbooks/ that says what to look at and what to do. */

export interface Alert {
  readonly name: string;
  /** PromQL; only metrics of docs/metrics.md. */
  readonly expression: string;
  /** How long it must hold. */
  readonly forTime: string;
  readonly severity: 'warning' | 'critical';
  /** One line; what is in double braces is Prometheus' own. */
  readonly summary: string;
}

/** Conditions are the operator's verdict, with hysteresis already: alerts only wait a little longer. */
export const alerts: readonly Alert[] = [
  {
    name: 'HomingServerNotReady',
    expression: 'sum by (reason) (homing_operator_home_servers{reason!="AgentReady"}) > 0',
    forTime: '5m',
    severity: 'warning',
    summary: '{{ $value }} HomeServers are not ready: {{ $labels.reason }}',
  },
  {
    name: 'HomingCameraNotReady',
    expression: 'sum by (reason) (homing_operator_camera_clients{reason!~"Streaming|Suspended"}) > 0',
    forTime: '5m',
    severity: 'critical',
    summary: '{{ $value }} cameras are not streaming: {{ $labels.reason }}',
  },
  {
    name: 'HomingOperatorAbsent',
    expression: 'absent(homing_operator_sessions)',
    forTime: '15m',
    severity: 'warning',
    summary: 'The operator has not been seen for 15 minutes; cameras go on without it',
  },
  {
    name: 'HomingAnchorExpires',
    expression: 'min by (sha256) (homing_operator_anchor_days) < 60',
    forTime: '1h',
    severity: 'warning',
    summary: 'A CA of the trust set runs out in {{ $value }} days: {{ $labels.sha256 }}',
  },
  {
    name: 'HomingRefusals',
    expression: 'sum by (reason) (increase(homing_operator_refusals_total[1h])) > 5',
    forTime: '10m',
    severity: 'warning',
    summary: 'Certificates were refused {{ $value }} times in an hour: {{ $labels.reason }}',
  },
  {
    name: 'HomingApiUnreachable',
    expression:
      'sum(increase(homing_operator_api_requests_total{code=~"0|5.."}[15m])) > 20 unless sum(increase(homing_operator_api_requests_total{code=~"2.."}[15m])) > 0',
    forTime: '5m',
    severity: 'warning',
    summary: 'The operator gets no answer from the API server; cameras go on without it',
  },
  {
    name: 'HomingFramesLost',
    expression: 'sum by (camera) (increase(homing_agent_camera_frames_lost_total[1h])) > 0',
    forTime: '0m',
    severity: 'critical',
    summary: '{{ $value }} frames of {{ $labels.camera }} were lost within an hour',
  },
  {
    name: 'HomingDurableLags',
    expression:
      'max by (camera, stream) (homing_agent_camera_durable_lag_bytes / homing_agent_camera_ring_share_bytes) > 0.5',
    forTime: '1m',
    severity: 'warning',
    summary: 'What is not on a disk yet of {{ $labels.camera }} fills half of its ring: a disk is too slow',
  },
];

/** The groups of a PrometheusRule; `RUNBOOKS` stands for where the runbooks are. */
export function ruleGroups() {
  const rules = alerts.map(({ name, expression, forTime, severity, summary }) => ({
    alert: name,
    expr: expression,
    for: forTime,
    labels: { severity },
    annotations: { summary, runbook_url: `RUNBOOKS/${runbookOf(name)}.md` },
  }));
  return [{ name: 'homing', rules }];
}

/** `HomingServerNotReady` → `homing-server-not-ready`. */
export function runbookOf(name: string): string {
  return name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase();
}
