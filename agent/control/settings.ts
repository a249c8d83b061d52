/** Resources as the settings of server, clients and sinks: texts become numbers, defaults become values. Pure. */
import { durationMs } from '../../crds/duration.ts';
import type { HomeServer, SinkSpec } from '../../crds/home-server.ts';
import { quantityBytes } from '../../crds/quantity.ts';
import type { ClientConfig } from '../client/core-events.ts';
import type { ServerConfig } from '../server/core-events.ts';
import type { RecordOptions } from '../sinks/record.ts';
import type { Assignment, BridgedCamera } from './assignment.ts';

/** What a HomeServer asks for. Features default to the kinds of its sinks. */
export function serverConfigOf(server: HomeServer, assignment: Assignment): ServerConfig {
  const { spec } = server;
  const { announce } = spec;
  return {
    features: featuresOf(server),
    max: spec.max,
    intervalMs: durationMs(announce.interval),
    isDrained: spec.drain === 'Now',
    suspendedClients: assignment.suspendedClients,
    listenPort: spec.listen.port,
    isAnnounced: announce.enabled,
    interfaces: announce.interfaces ?? [],
    excludeInterfaces: announce.excludeInterfaces,
    peers: [...new Set([...spec.peers, ...assignment.externalAddresses])],
  };
}

/** What a HomeServer announces while its sinks are healthy: by default their kinds. */
export function featuresOf({ spec }: HomeServer): readonly string[] {
  return spec.features ?? spec.sinks.map(sinkKindOf);
}

/** What a camera asks of servers and of its handovers. */
export function clientConfigOf({ name, spec }: BridgedCamera): ClientConfig {
  const { selection, handover, source } = spec;
  return {
    name,
    stream: 'main',
    media: source.media,
    requires: selection?.requires ?? [],
    weights: selection?.weights ?? {},
    mode: selection?.mode ?? 'Best',
    order: handover.order,
    ackTimeoutMs: durationMs(handover.ackTimeout),
    cutWaitMs: durationMs(handover.cutWait),
  };
}

export type RecordSettings = Pick<RecordOptions, 'durability' | 'keepFreeBytes' | 'maxAgeMs' | 'maxBytes'>;

/** What a `record` sink is bounded by. */
export function recordSettingsOf(record: NonNullable<SinkSpec['record']>): RecordSettings {
  return {
    durability: record.durability,
    keepFreeBytes: quantityBytes(record.keepFree),
    ...(record.maxAge === undefined ? {} : { maxAgeMs: durationMs(record.maxAge) }),
    ...(record.maxSize === undefined ? {} : { maxBytes: quantityBytes(record.maxSize) }),
  };
}

function sinkKindOf(sink: SinkSpec): string {
  if (sink.record !== undefined) return 'record';
  return sink.live === undefined ? 'exec' : 'live';
}
