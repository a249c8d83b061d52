/** `homing agent --metrics ADDRESS`: an agent's numbers for Prometheus, and whether it is ready, for the kubelet. */
import type { AgentStatus, RunningAgent } from '../agent/agent.ts';
import type { EmitEvent } from '../agent/events.ts';
import { createAgentMetrics } from '../agent/metrics.ts';
import { openMetricsServer } from '../operator/metrics-server.ts';
import type { ListenAddress } from './listen-address.ts';

export interface ServedMetrics {
  readonly port: number;
  /** Tells events on to `emit`, and counts them. */
  readonly emit: EmitEvent;
  /** From now on its status is what is told. */
  setAgent(agent: Pick<RunningAgent, 'status'>): void;
  close(): Promise<void>;
}

/** A server that has just started looks around this long before an update may go on to the next node. */
const lookAroundMs = 5000;

/** Answers from now on; before there is an agent it is not ready. */
export async function serveMetrics(address: ListenAddress, emit: EmitEvent): Promise<ServedMetrics> {
  const metrics = createAgentMetrics();
  let agent: Pick<RunningAgent, 'status'> | undefined;
  const { registry } = metrics;
  const server = await openMetricsServer({
    ...address,
    registry: {
      contentType: registry.contentType,
      metrics: async () => {
        if (agent !== undefined) metrics.refresh(agent.status(), Date.now());
        return registry.metrics();
      },
    },
    notReady: () =>
      agent === undefined ? 'it has not enrolled yet' : whyNotReady(agent.status(), Date.now()),
  });
  return {
    port: server.port,
    emit: (event) => {
      metrics.take(event);
      emit(event);
    },
    setAgent: (next) => void (agent = next),
    close: () => server.close(),
  };
}

/** Until it hears the others, its cameras and theirs would have nowhere better to go. */
export function whyNotReady({ started, server }: AgentStatus, nowMs: number): string | undefined {
  if (server === undefined || nowMs - Date.parse(started) >= lookAroundMs) return undefined;
  const confirmed = server.peers.filter(({ isConfirmed }) => isConfirmed).length;
  return confirmed > 0 && confirmed === server.peers.length ? undefined : 'it looks for other servers';
}
