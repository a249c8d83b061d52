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
import { conditions, dateTime, homingApiVersion, observedGeneration, serverMetadata } from './metadata.ts';
import { exactlyOneOf, fixedAtCreation, has, ownNames, withListType, withRules } from './rules.ts';

const sinkKinds = ['record', 'live', 'exec'] as const;

/** Interfaces of container networks: nobody else is there. Our choice. */
const containerInterfaces = ['cni*', 'flannel*', 'veth*', 'cali*', 'docker*', 'br-*', 'virbr*'];

/** Lists are defaulted by who reads them, not by the API server: see definitions.ts. */
const recordSink = z
  .object({
    maxAge: durationBetween('1m', '87600h').optional().describe('Recordings older than this are removed.'),
    maxSize: quantity()
      .optional()
      .describe('Most bytes of all recordings here; the oldest of the camera that holds most go first.'),
    keepFree: quantity().default('2Gi').describe('Bytes of the disk that are kept free.'),
    durability: z
      .enum(['Written', 'Synced'])
      .default('Synced')
      .describe('When a byte counts as durable: Synced survives power loss, Written survives SIGKILL.'),
  })
  .describe('Writes raw segments to the recordings folder of the installation.');

const sink = withRules(
  z.object({
    name: label.describe('Name of the sink, in events and metrics.'),
    record: recordSink.optional(),
    live: z
      .object({})
      .optional()
      .describe('Serves players: HTTP, WebSocket and HLS. Agents of this version do not open it yet.'),
    exec: z
      .object({ command: commandName.describe('Name of the command, never a command line.') })
      .optional()
      .describe(
        'Gives the bytes to a command that the installation knows by name. Agents of this version do not open it yet.',
      ),
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
    ownNames('sink'),
  ]),
  'map',
  ['name'],
);

const announce = z.object({
  enabled: z
    .boolean()
    .default(true)
    .describe('Whether it announces itself by multicast; links work without.'),
  interval: durationBetween('1s', '5m')
    .default('10s')
    .describe('Mean time between announcements; each waits up to a fifth more or less.'),
  interfaces: setOf(z.string().min(1).max(32), 16)
    .optional()
    .describe('Network interfaces, or prefixes with *, to announce on; absent: all but the excluded.'),
  excludeInterfaces: setOf(z.string().min(1).max(32), 16)
    .default(containerInterfaces)
    .describe('Network interfaces, or prefixes with *, never to announce on.'),
});

const external = z.object({
  address: hostAndPort.optional().describe('Where it is reached, as HOST:PORT.'),
  publicKey: publicKeyPin
    .optional()
    .describe('SHA-256 of the public key that it enrols with; `homing agent --operator` shows it.'),
});

const spec = withRules(
  z.object({
    identifier: identifier
      .optional()
      .describe('The 22 characters of its identifier; absent: made at enrolment. Fixed at creation.'),
    external: external
      .optional()
      .describe('A server that is no node of this cluster. Its presence is fixed at creation.'),
    features: setOf(feature, 32)
      .optional()
      .describe('What it announces while the live check of each passes; absent: the kinds of its sinks.'),
    max: wholeNumber(0, 100_000).default(16).describe('Most clients at once; 0 drains it.'),
    listen: z
      .object({ port: wholeNumber(1, 65_535).default(17_320).describe('TCP port of clients and servers.') })
      .prefault({})
      .describe('Where clients and other servers connect.'),
    announce: announce.prefault({}).describe('How it makes itself known on the local network.'),
    peers: setOf(hostAndPort, 32)
      .prefault([])
      .describe('Servers that multicast does not reach (other subnets, other sites), as HOST:PORT.'),
    sinks: sinks
      .prefault([{ name: 'record', record: {} }])
      .describe('What is done with the bytes of clients; absent: one sink that records.'),
    drain: z
      .enum(['OnCordon', 'Now', 'Never'])
      .default('OnCordon')
      .describe('When its clients are moved away: while its node is cordoned, at once, or never.'),
  }),
  [fixedAtCreation('identifier'), fixedAtCreation('external', true)],
).describe('What the server may take, and how it is reached.');

const texts = z.array(z.string());

const status = z
  .object({
    observedGeneration: observedGeneration.optional(),
    identifier: z.string().optional().describe('The 22 characters of its identifier.'),
    address: z.string().optional().describe('Where it is reached, as its agent announces it.'),
    features: withListType(texts.max(32), 'atomic')
      .optional()
      .describe('Features that it announces now: those whose live check passes.'),
    level: wholeNumber(0, 2_147_483_647)
      .optional()
      .describe('How many features it announces: the higher level gets the clients.'),
    max: wholeNumber(0, 100_000)
      .optional()
      .describe('Most clients at once, as announced; 0 while it drains.'),
    clients: wholeNumber(0, 100_000).optional().describe('Clients that it has now.'),
    rank: wholeNumber(0, 100_000).optional().describe('Its place among the servers; 1 is the best.'),
    heardBy: z.string().optional().describe('How many of the servers that should hear it do, as 2/3.'),
    notHeardBy: withListType(texts.max(16), 'atomic')
      .optional()
      .describe('Servers that should hear it and do not.'),
    selection: z
      .object({
        best: z.string().optional().describe('The server that a client without wishes would be given to.'),
        reason: z.string().max(256).optional().describe('Why it stands at its rank.'),
        time: dateTime.optional().describe('Since when.'),
      })
      .optional()
      .describe('How it compares with the others.'),
    certificate: z
      .object({
        notAfter: dateTime.optional().describe('Until when it is good.'),
        anchor: z.string().optional().describe('SHA-256 of the CA certificate that signed it.'),
      })
      .optional()
      .describe('The certificate that it shows.'),
    agent: z
      .object({ version: z.string().optional().describe('Version of the program.') })
      .optional()
      .describe('The program that runs there.'),
    conditions: conditions.optional().describe('Ready, Heard and Drained, each with its reason.'),
  })
  .describe('What the operator knows of it. Written by the operator alone.');

/** The schema of a HomeServer; `max: 0` is drained, no sinks given means one `record`. */
export const homeServer = z
  .object({
    apiVersion: z.literal(homingApiVersion),
    kind: z.literal('HomeServer'),
    metadata: serverMetadata,
    spec,
    status: status.optional(),
  })
  .describe('A machine that takes camera streams, and what it may take.');

export type HomeServer = z.output<typeof homeServer>;
export type HomeServerStatus = z.output<typeof status>;
/** One of its sinks: exactly one of `record`, `live`, `exec` is there. */
export type SinkSpec = z.output<typeof sink>;
