/** HomeServer: a machine that takes camera streams, and what it may take. Cluster-scoped, `kubectl get hs`. */
import { z } from 'zod';
import {
  commandName,
  durationBetween,
  feature,
  hostAndPort,
  identifier,
  label,
  publicKeyPin,
  quantity,
  setOf,
  wholeNumber,
} from './fields.ts';
import { conditions, dateTime, homingApiVersion, serverMetadata } from './metadata.ts';
import { exactlyOneOf, fixedAtCreation, has, withListType, withRules } from './rules.ts';

const sinkKinds = ['record', 'live', 'exec'] as const;

/** Interfaces of container networks: nobody else is there. Our choice. */
const containerInterfaces = ['cni*', 'flannel*', 'veth*', 'cali*', 'docker*', 'br-*', 'virbr*'];

/** `record`: raw segments on a disk. The space is bounded for each camera and in all. */
const recordSink = z.object({
  maxAge: durationBetween('1m', '87600h').optional(),
  maxSize: quantity().optional(),
  keepFree: quantity().default('2Gi'),
  /** `Synced` survives power loss, `Written` survives SIGKILL. */
  durability: z.enum(['Written', 'Synced']).default('Synced'),
});

const sink = withRules(
  z.object({
    name: label,
    record: recordSink.optional(),
    live: z.object({}).optional(),
    exec: z.object({ command: commandName }).optional(),
  }),
  [exactlyOneOf(sinkKinds)],
);

const sinks = withListType(
  withRules(z.array(sink).max(8), [
    {
      rule: sinkKinds.map((kind) => `self.filter(x, has(x.${kind})).size() <= 1`).join(' && '),
      message: 'at most one sink of a kind',
      holds: (list) => sinkKinds.every((kind) => list.filter((item) => has(item, kind)).length <= 1),
    },
    {
      rule: 'self.all(x, self.exists_one(y, x.name == y.name))',
      message: 'must give each sink its own name',
      holds: (list) =>
        new Set(list.map((item) => (has(item, 'name') ? item.name : item))).size === list.length,
    },
  ]),
  'map',
  ['name'],
);

const announce = z.object({
  enabled: z.boolean().default(true),
  /** Mean time between announcements; each waits ± 20 %. */
  interval: durationBetween('1s', '5m').default('10s'),
  /** Names or prefixes with `*`; none: all but the excluded. `lo` only where it is named. */
  interfaces: setOf(z.string().min(1).max(32), 16).optional(),
  excludeInterfaces: setOf(z.string().min(1).max(32), 16).default(containerInterfaces),
});

const spec = withRules(
  z.object({
    identifier: identifier.optional(),
    /** A server that is not a node: known by address and key. */
    external: z.object({ address: hostAndPort.optional(), publicKey: publicKeyPin.optional() }).optional(),
    /** Announced while their live check passes; none: the kinds of the sinks. */
    features: setOf(feature, 32).optional(),
    /** Most clients at once; 0 drains. */
    max: wholeNumber(0, 100_000).default(16),
    listen: z.object({ port: wholeNumber(1, 65_535).default(17_320) }).prefault({}),
    announce: announce.prefault({}),
    peers: setOf(hostAndPort, 32).prefault([]),
    sinks: sinks.prefault([{ name: 'record', record: {} }]),
    drain: z.enum(['OnCordon', 'Now', 'Never']).default('OnCordon'),
  }),
  [fixedAtCreation('identifier'), fixedAtCreation('external', true)],
);

const texts = z.array(z.string());

const status = z.object({
  observedGeneration: z.int().optional(),
  identifier: z.string().optional(),
  address: z.string().optional(),
  features: withListType(texts.max(32), 'atomic').optional(),
  level: wholeNumber(0, 2_147_483_647).optional(),
  max: wholeNumber(0, 100_000).optional(),
  clients: wholeNumber(0, 100_000).optional(),
  rank: wholeNumber(0, 100_000).optional(),
  /** `2/3`: of how many servers that should hear it how many do. */
  heardBy: z.string().optional(),
  notHeardBy: withListType(texts.max(16), 'atomic').optional(),
  selection: z
    .object({
      best: z.string().optional(),
      reason: z.string().max(256).optional(),
      time: dateTime.optional(),
    })
    .optional(),
  certificate: z.object({ notAfter: dateTime.optional(), anchor: z.string().optional() }).optional(),
  agent: z.object({ version: z.string().optional() }).optional(),
  /** `Ready`, `Heard`, `Drained`. */
  conditions: conditions.optional(),
});

/** The schema of a HomeServer; `max: 0` is drained, no sinks given means one `record`. */
export const homeServer = z.object({
  apiVersion: z.literal(homingApiVersion),
  kind: z.literal('HomeServer'),
  metadata: serverMetadata,
  spec,
  status: status.optional(),
});

export type HomeServer = z.output<typeof homeServer>;
export type HomeServerStatus = z.output<typeof status>;
/** One of its sinks: exactly one of `record`, `live`, `exec` is there. */
export type SinkSpec = z.output<typeof sink>;
