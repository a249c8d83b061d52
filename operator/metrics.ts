/** The operator's numbers for Prometheus. Names and labels are stable; docs/metrics.md describes each. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export type OperatorMetrics = ReturnType<typeof createOperatorMetrics>;

/** Makes the metrics, each at nothing, in a registry of their own. */
export function createOperatorMetrics() {
  const registry = new Registry();
  const registers = [registry];
  return { registry, ...clusterMetrics(registers), ...trustMetrics(registers), ...homeMetrics(registers) };
}

function clusterMetrics(registers: Registry[]) {
  return {
    queueDepth: new Gauge({
      name: 'homing_operator_queue_depth',
      help: 'Statuses that wait to be written.',
      registers,
    }),
    apiRequests: new Counter({
      name: 'homing_operator_api_requests_total',
      help: 'Requests to the Kubernetes API server; code 0: no answer.',
      labelNames: ['verb', 'resource', 'code'] as const,
      registers,
    }),
    statusWrites: new Counter({
      name: 'homing_operator_status_writes_total',
      help: 'Statuses written, by kind.',
      labelNames: ['kind'] as const,
      registers,
    }),
    reconcileSeconds: new Histogram({
      name: 'homing_operator_reconcile_seconds',
      help: 'Time of one look at the whole home.',
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
      registers,
    }),
  };
}

function trustMetrics(registers: Registry[]) {
  return {
    certificatesIssued: new Counter({
      name: 'homing_operator_certificates_issued_total',
      help: 'Certificates issued, by role.',
      labelNames: ['role'] as const,
      registers,
    }),
    refusals: new Counter({
      name: 'homing_operator_refusals_total',
      help: 'Enrolments and certificate requests refused, by reason.',
      labelNames: ['reason'] as const,
      registers,
    }),
    dropped: new Counter({
      name: 'homing_operator_dropped_total',
      help: 'Connections of agents and lines of theirs that were not taken, by reason.',
      labelNames: ['reason'] as const,
      registers,
    }),
    anchorDays: new Gauge({
      name: 'homing_operator_anchor_days',
      help: 'Days until an anchor of the trust set runs out.',
      labelNames: ['sha256'] as const,
      registers,
    }),
  };
}

function homeMetrics(registers: Registry[]) {
  return {
    sessions: new Gauge({
      name: 'homing_operator_sessions',
      help: 'Agents and native clients that are connected.',
      registers,
    }),
    homeServers: new Gauge({
      name: 'homing_operator_home_servers',
      help: 'HomeServers, by reason of their condition Ready.',
      labelNames: ['reason'] as const,
      registers,
    }),
    cameraClients: new Gauge({
      name: 'homing_operator_camera_clients',
      help: 'CameraClients, by reason of their condition Ready.',
      labelNames: ['reason'] as const,
      registers,
    }),
  };
}
