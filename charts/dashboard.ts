/** The Grafana dashboard: the house at a glance. */

interface Panel {
  readonly title: string;
  /** PromQL; only metrics of docs/metrics.md. */
  readonly expression: string;
  readonly legend: string;
  readonly unit?: 'short' | 's' | 'd' | 'Bps' | 'bytes';
  readonly type?: 'stat' | 'timeseries';
}

/** Two to a row, in reading order. */
export const panels: readonly Panel[] = [
  {
    title: 'Servers',
    expression: 'sum by (reason) (homing_operator_home_servers)',
    legend: '{{reason}}',
    type: 'stat',
  },
  {
    title: 'Cameras',
    expression: 'sum by (reason) (homing_operator_camera_clients)',
    legend: '{{reason}}',
    type: 'stat',
  },
  {
    title: 'Connected agents and native clients',
    expression: 'homing_operator_sessions',
    legend: 'sessions',
  },
  {
    title: 'Days until a CA runs out',
    expression: 'min by (sha256) (homing_operator_anchor_days)',
    legend: '{{sha256}}',
    unit: 'd',
  },
  {
    title: 'Certificates issued and refused',
    expression:
      'sum by (role) (increase(homing_operator_certificates_issued_total[1h])) or sum by (reason) (increase(homing_operator_refusals_total[1h]))',
    legend: '{{role}}{{reason}}',
  },
  {
    title: 'Requests of the operator to the API server, an hour',
    expression: 'sum by (verb, code) (increase(homing_operator_api_requests_total[1h]))',
    legend: '{{verb}} {{code}}',
  },
  {
    title: 'From the cameras, a second',
    expression: 'sum by (camera) (rate(homing_agent_camera_bytes_total[5m]))',
    legend: '{{camera}}',
    unit: 'Bps',
  },
  {
    title: 'Not on a disk yet',
    expression: 'max by (camera) (homing_agent_camera_durable_lag_bytes)',
    legend: '{{camera}}',
    unit: 'bytes',
  },
  {
    title: 'Clients at each server',
    expression: 'sum by (node) (homing_agent_clients)',
    legend: '{{node}}',
  },
  {
    title: 'Handovers an hour, by reason',
    expression: 'sum by (reason) (increase(homing_agent_handover_seconds_count[1h]))',
    legend: '{{reason}}',
  },
  {
    title: 'Handovers: 99 of 100 are done within',
    expression: 'histogram_quantile(0.99, sum by (le) (increase(homing_agent_handover_seconds_bucket[1d])))',
    legend: 'p99',
    unit: 's',
  },
  {
    title: 'Frames lost, an hour',
    expression: 'sum by (camera) (increase(homing_agent_camera_frames_lost_total[1h]))',
    legend: '{{camera}}',
  },
];

const [width, height] = [12, 8];

/** The dashboard as Grafana imports it. */
export function dashboard() {
  return {
    uid: 'homing',
    title: 'Homing',
    tags: ['homing'],
    timezone: 'browser',
    schemaVersion: 39,
    editable: true,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: {
      list: [{ name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' }],
    },
    panels: panels.map(({ title, expression, legend, unit = 'short', type = 'timeseries' }, index) => ({
      id: index + 1,
      title,
      type,
      gridPos: { x: (index % 2) * width, y: Math.floor(index / 2) * height, w: width, h: height },
      datasource: { type: 'prometheus', uid: '${datasource}' },
      fieldConfig: { defaults: { unit }, overrides: [] },
      options: {},
      targets: [{ refId: 'A', expr: expression, legendFormat: legend }],
    })),
  };
}
