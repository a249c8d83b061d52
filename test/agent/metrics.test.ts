import { describe, expect, it } from 'vitest';
import type { AgentStatus } from '../../agent/agent.ts';
import { createAgentMetrics } from '../../agent/metrics.ts';
import { serveMetrics, whyNotReady } from '../../cli/agent-metrics.ts';

const nowMs = Date.parse('2026-05-01T00:00:00Z');

const camera = {
  name: 'yard/door',
  stream: 'main',
  term: 1,
  phase: 'stream',
  server: { id: 'hcsp:/PtPvXYJSQsqwTJpPGjwog', name: 'nuc' },
  produced: 5000,
  sent: 5000,
  durable: 3000,
  ringStart: 2000,
  shareBytes: 100_000,
  handovers: 1,
  framesLost: 2,
  framesRepeated: 3,
  bytesLost: 0,
  bytesExposed: 0,
  moveAfterMs: 0,
} as const;

function statusOf(more: Partial<AgentStatus> = {}): AgentStatus {
  return {
    name: 'pi',
    version: '0.1.0',
    started: '2026-04-30T00:00:00Z',
    configuration: { isCurrent: true, time: '2026-04-30T00:00:00Z' },
    certificates: [{ name: 'pi', notAfter: '2026-05-11T00:00:00Z', isRunningOut: false }],
    cameras: [camera],
    handovers: [],
    ...more,
  };
}

const peer = (name: string, isConfirmed: boolean) =>
  ({
    id: 'hcsp:/PtPvXYJSQsqwTJpPGjwog',
    name,
    features: [],
    max: 1,
    connected: 0,
    isConfirmed,
    hearsUs: false,
    heldForMs: 0,
  }) as const;

const server = {
  id: 'hcsp:/PtPvXYJSQsqwTJpPGjwog',
  name: 'pi',
  features: ['record'],
  missingFeatures: ['gpu'],
  level: 1,
  max: 16,
  connected: 4,
  isDraining: false,
  boot: 1,
  clients: [],
  peers: [peer('nuc', true), peer('attic', false)],
  ranking: [],
  port: 17_320,
  endpoints: [],
  sessions: [],
  dropped: { 'signature-wrong': 7 },
} as const;

describe('metrics of an agent', () => {
  it('say of each camera what is safe and what was lost', async () => {
    const metrics = createAgentMetrics();
    metrics.refresh(statusOf(), nowMs);
    const text = await metrics.registry.metrics();
    const labels = '{camera="yard/door",stream="main"}';
    expect(text).toContain(`homing_agent_camera_bytes_total${labels} 5000`);
    expect(text).toContain(`homing_agent_camera_durable_lag_bytes${labels} 2000`);
    expect(text).toContain(`homing_agent_camera_ring_bytes${labels} 3000`);
    expect(text).toContain(`homing_agent_camera_frames_lost_total${labels} 2`);
    expect(text).toContain(`homing_agent_camera_streaming${labels} 1`);
    expect(text).toContain('homing_agent_certificate_days{name="pi"} 10');
  });

  it('say of the server whom it has, whom it hears and what it dropped', async () => {
    const metrics = createAgentMetrics();
    metrics.refresh(statusOf({ server }), nowMs);
    metrics.refresh(statusOf({ server }), nowMs);
    const text = await metrics.registry.metrics();
    expect(text).toContain('homing_agent_clients 4');
    expect(text).toContain('homing_agent_links 1');
    expect(text).toContain('homing_agent_dropped_total{reason="signature-wrong"} 7');
    expect(text).toContain('homing_agent_missing_features{feature="gpu"} 1');
  });

  it('count moves by reason, with their time', async () => {
    const metrics = createAgentMetrics();
    const moved = {
      event: 'handedOver',
      client: 'yard/door',
      from: 'pi',
      to: 'nuc',
      framesLost: 0,
      framesRepeated: 1,
    } as const;
    metrics.take({ ...moved, reason: 'rank', milliseconds: 80 });
    metrics.take({ ...moved, reason: 'silent', milliseconds: 1200 });
    metrics.take({
      event: 'redirected',
      side: 'server',
      client: 'yard/door',
      from: 'pi',
      to: 'nuc',
      reason: 'rank',
    });
    metrics.take({
      event: 'redirected',
      side: 'client',
      client: 'yard/door',
      from: 'pi',
      to: 'nuc',
      reason: 'rank',
    });
    const text = await metrics.registry.metrics();
    expect(text).toContain('homing_agent_handover_seconds_bucket{le="0.1",reason="rank"} 1');
    expect(text).toContain('homing_agent_handover_seconds_sum{reason="silent"} 1.2');
    expect(text).toContain('homing_agent_redirects_total{reason="rank"} 1');
  });

  it('forget a camera that is gone', async () => {
    const metrics = createAgentMetrics();
    metrics.refresh(statusOf(), nowMs);
    metrics.refresh(statusOf({ cameras: [] }), nowMs);
    expect(await metrics.registry.metrics()).not.toContain('yard/door');
  });
});

describe('readiness of an agent', () => {
  it('waits for the other servers, but not for ever', () => {
    const started = new Date(nowMs - 1000).toISOString();
    expect(whyNotReady(statusOf({ started, server }), nowMs)).toBe('it looks for other servers');
    const all = { ...server, peers: [peer('nuc', true)] };
    expect(whyNotReady(statusOf({ started, server: all }), nowMs)).toBeUndefined();
    expect(whyNotReady(statusOf({ started, server }), nowMs + 5000)).toBeUndefined();
  });

  it('is answered over HTTP, before there is an agent too', async () => {
    const told: unknown[] = [];
    const served = await serveMetrics({ host: '127.0.0.1', port: 0 }, (event) => void told.push(event));
    const ask = (path: string) => fetch(`http://127.0.0.1:${served.port}${path}`);
    try {
      expect((await ask('/readyz')).status).toBe(503);
      expect((await ask('/healthz')).status).toBe(200);
      served.setAgent({ status: () => statusOf() });
      served.emit({ event: 'recorded', client: 'yard/door', file: 'f', offset: 0, bytes: 99 });
      expect((await ask('/readyz')).status).toBe(200);
      const text = await (await ask('/metrics')).text();
      expect(text).toContain('homing_agent_recorded_bytes_total 99');
      expect(text).toContain('homing_agent_camera_bytes_total{camera="yard/door",stream="main"} 5000');
      expect(told).toHaveLength(1);
    } finally {
      await served.close();
    }
  });
});
