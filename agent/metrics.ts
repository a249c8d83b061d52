/** An agent's numbers for Prometheus, out of its events and its status. Names and labels are stable; docs/metrics.md describes each. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { AgentStatus } from './agent.ts';
import type { Untimed } from './events.ts';

const dayMs = 86_400_000;

/** Makes the metrics, each at nothing, in a registry of their own. */
export function createAgentMetrics() {
  const registry = new Registry();
  const registers = [registry];
  const [server, cameras, moves] = [
    serverMetrics(registers),
    cameraMetrics(registers),
    moveMetrics(registers),
  ];
  return {
    registry,
    /** What happened. */
    take: (event: Untimed) => takeEvent({ ...server, ...moves }, event),
    /** What is, right before it is asked for. */
    refresh: (status: AgentStatus, nowMs: number) => {
      refreshServer(server, status, nowMs);
      refreshCameras(cameras, status);
    },
  };
}

function serverMetrics(registers: Registry[]) {
  const gauge = (name: string, help: string) => new Gauge({ name: `homing_agent_${name}`, help, registers });
  return {
    clients: gauge('clients', 'Clients at this server.'),
    max: gauge('max', 'Clients that this server takes at most; 0: it drains.'),
    level: gauge('level', 'Level of this server: what it is compared by first.'),
    links: gauge('links', 'Other servers that this one has confirmed.'),
    missingFeatures: new Gauge({
      name: 'homing_agent_missing_features',
      help: 'Features that failed their live check and are not announced.',
      labelNames: ['feature'] as const,
      registers,
    }),
    dropped: new Counter({
      name: 'homing_agent_dropped_total',
      help: 'Messages dropped, by reason (docs/protocol.md).',
      labelNames: ['reason'] as const,
      registers,
    }),
    recordedBytes: new Counter({
      name: 'homing_agent_recorded_bytes_total',
      help: 'Bytes of closed segments of recordings.',
      registers,
    }),
    certificateDays: new Gauge({
      name: 'homing_agent_certificate_days',
      help: 'Days until a certificate of this agent runs out.',
      labelNames: ['name'] as const,
      registers,
    }),
    operatorConnected: gauge('operator_connected', '1 while the operator is connected, 0 while it is not.'),
  };
}

function cameraMetrics(registers: Registry[]) {
  const labelNames = ['camera', 'stream'] as const;
  const of = (name: string, help: string) => ({
    name: `homing_agent_camera_${name}`,
    help,
    labelNames,
    registers,
  });
  return {
    ready: new Gauge(of('source_ready', '1 while the camera gives bytes, 0 while it does not.')),
    streaming: new Gauge(of('streaming', '1 while a server takes the bytes, 0 while none does.')),
    bytes: new Counter(of('bytes_total', 'Bytes that the camera gave.')),
    durableLag: new Gauge(of('durable_lag_bytes', 'Bytes that are not safe at a server yet.')),
    ring: new Gauge(of('ring_bytes', 'Bytes in the ring: all from the last cut that is durable.')),
    ringShare: new Gauge(of('ring_share_bytes', 'Bytes that the ring may hold.')),
    framesLost: new Counter(of('frames_lost_total', 'Frames lost by handovers.')),
    framesRepeated: new Counter(
      of('frames_repeated_total', 'Frames that two servers have: joined they are one.'),
    ),
  };
}

function moveMetrics(registers: Registry[]) {
  const labelNames = ['reason'] as const;
  return {
    handovers: new Histogram({
      name: 'homing_agent_handover_seconds',
      help: 'Handovers of cameras of this agent: from redirect or loss to the first ack of the next server.',
      labelNames,
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20],
      registers,
    }),
    redirects: new Counter({
      name: 'homing_agent_redirects_total',
      help: 'Clients that this server sent to another one.',
      labelNames,
      registers,
    }),
    refusals: new Counter({
      name: 'homing_agent_refusals_total',
      help: 'Clients that stayed, or that were not taken.',
      labelNames,
      registers,
    }),
  };
}

type EventMetrics = ReturnType<typeof serverMetrics> & ReturnType<typeof moveMetrics>;

function takeEvent(metrics: EventMetrics, event: Untimed): void {
  if (event.event === 'handedOver')
    metrics.handovers.observe({ reason: event.reason }, event.milliseconds / 1000);
  else if (event.event === 'redirected' && event.side === 'server')
    metrics.redirects.inc({ reason: event.reason });
  else if (event.event === 'refused') metrics.refusals.inc({ reason: event.reason });
  else if (event.event === 'recorded') metrics.recordedBytes.inc(event.bytes);
  else if (event.event === 'operator') metrics.operatorConnected.set(event.isConnected ? 1 : 0);
}

function refreshServer(metrics: ReturnType<typeof serverMetrics>, status: AgentStatus, nowMs: number): void {
  metrics.certificateDays.reset();
  for (const { name, notAfter } of status.certificates)
    metrics.certificateDays.set({ name }, (Date.parse(notAfter) - nowMs) / dayMs);
  const { server } = status;
  if (server === undefined) return;
  metrics.clients.set(server.connected);
  metrics.max.set(server.max);
  metrics.level.set(server.level);
  metrics.links.set(server.peers.filter(({ isConfirmed }) => isConfirmed).length);
  metrics.missingFeatures.reset();
  for (const feature of server.missingFeatures) metrics.missingFeatures.set({ feature }, 1);
  metrics.dropped.reset();
  for (const [reason, count] of Object.entries(server.dropped)) metrics.dropped.inc({ reason }, count);
}

/** Cameras that are gone are gone here too: labels must not grow without bound. */
function refreshCameras(metrics: ReturnType<typeof cameraMetrics>, { cameras }: AgentStatus): void {
  for (const metric of Object.values(metrics)) metric.reset();
  for (const camera of cameras) {
    const labels = { camera: camera.name, stream: camera.stream };
    metrics.ready.set(labels, camera.source?.ready === true ? 1 : 0);
    metrics.streaming.set(labels, camera.server === undefined ? 0 : 1);
    metrics.bytes.inc(labels, camera.produced);
    metrics.durableLag.set(labels, Math.max(0, camera.produced - camera.durable));
    metrics.ring.set(labels, camera.produced - camera.ringStart);
    metrics.ringShare.set(labels, camera.shareBytes);
    metrics.framesLost.inc(labels, camera.framesLost);
    metrics.framesRepeated.inc(labels, camera.framesRepeated);
  }
}
