/** CameraClient: one camera, sensor or PC, and where it may go. Namespaced, `kubectl get cam`. */
import { z } from 'zod';
import {
  cameraUrl,
  commandName,
  durationBetween,
  feature,
  identifier,
  label,
  publicKeyPin,
  setOf,
  subdomain,
  wholeNumber,
} from './fields.ts';
import { clientMetadata, conditions, dateTime, homingApiVersion } from './metadata.ts';
import { exactlyOneOf, fixedAtCreation, has, withListType, withRules } from './rules.ts';

/** The kinds of source; exactly one stands in a CameraClient. */
export const sourceKinds = ['rtsp', 'http', 'rtmp', 'exec', 'file', 'test', 'native'] as const;
export type SourceKind = (typeof sourceKinds)[number];

const credentialKinds = ['rtsp', 'http', 'rtmp'] as const;

const mediaName = z
  .string()
  .max(255)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._ -]{0,254}$/, {
    error: 'must be the name of a file in the media folder: [A-Za-z0-9._ -], no dot first',
  });

const source = withRules(
  z.object({
    rtsp: z
      .object({ url: cameraUrl('rtsp', 'rtsps'), transport: z.enum(['TCP', 'UDP']).default('TCP') })
      .optional(),
    http: z.object({ url: cameraUrl('http', 'https') }).optional(),
    rtmp: z.object({}).optional(),
    exec: z.object({ command: commandName }).optional(),
    /** A file of the installation's media folder, at its own speed. */
    file: z.object({ name: mediaName, loop: z.boolean().default(true) }).optional(),
    /** A camera made of numbers: a burned-in frame counter. `gop`: frames from key frame to key frame. */
    test: z.object({ fps: wholeNumber(1, 60).default(15), gop: wholeNumber(1, 600).default(30) }).optional(),
    /** A client that connects by itself (`homing connect`); says its own wishes in its hello. */
    native: z.object({ publicKey: publicKeyPin.optional() }).optional(),
    /** A Secret in the same namespace with `username` and `password`. */
    credentialsRef: z.object({ name: subdomain }).optional(),
    media: z
      .enum(['video/mp2t', 'application/x-ndjson', 'text/plain', 'application/octet-stream'])
      .default('video/mp2t'),
  }),
  [
    exactlyOneOf(sourceKinds),
    {
      rule: `!has(self.credentialsRef) || ${credentialKinds.map((kind) => `has(self.${kind})`).join(' || ')}`,
      message: 'credentialsRef goes with rtsp, http or rtmp',
      holds: (value) => !has(value, 'credentialsRef') || credentialKinds.some((kind) => has(value, kind)),
    },
  ],
);

/** A further stream of the same camera, as `sub`: moves with it, cut at its own key frame. */
const stream = withRules(z.object({ name: label, url: cameraUrl('rtsp', 'rtsps') }), [
  {
    rule: "self.name != 'main'",
    message: 'main is the source itself: needs another name',
    holds: (value) => value.name !== 'main',
  },
]);

const selection = z.object({
  /** `AnyValid`: the newest server takes it, whatever it can do. @see [0102] */
  mode: z.enum(['Best', 'AnyValid']).default('Best'),
  requires: setOf(feature, 32).prefault([]),
  /** Of features, in a server's level; 1 where absent. */
  weights: z
    .record(feature, wholeNumber(0, 1000))
    .refine((weights) => Object.keys(weights).length <= 32, {
      error: 'must have at most 32 fields',
    })
    .prefault({}),
});

const handover = z.object({
  /** `ReleaseFirst` is the patent's order. @see [0067] */
  order: z.enum(['ConnectFirst', 'ReleaseFirst']).default('ConnectFirst'),
  ackTimeout: durationBetween('100ms', '1m').default('1s'),
  /** How long a handover waits for a key frame. */
  cutWait: durationBetween('1s', '1m').default('10s'),
});

const bridge = z.object({
  /** Agents that may hold the camera's session, in order; the first that lives does. */
  servers: setOf(label, 16).optional(),
  /** After this time without a sign of it the next bridge takes over. */
  bridgeTimeout: durationBetween('1s', '5m').default('3s'),
});

const spec = withRules(
  z.object({
    identifier: identifier.optional(),
    suspend: z.boolean().optional(),
    source,
    streams: withListType(z.array(stream).max(4), 'map', ['name']).optional(),
    bridge: bridge.optional(),
    selection: selection.optional(),
    handover: handover.prefault({}),
  }),
  [
    fixedAtCreation('identifier'),
    {
      rule: '!(has(self.selection) && has(self.source) && has(self.source.native))',
      message: 'selection and source.native exclude each other: a native client says its own in its hello',
      holds: (value) => !(has(value, 'selection') && has(value.source, 'native')),
    },
  ],
);

const count = z.int();

const status = z.object({
  observedGeneration: z.int().optional(),
  identifier: z.string().optional(),
  server: z.string().optional(),
  bridge: z.string().optional(),
  media: z.string().optional(),
  selection: z.object({ reason: z.string().max(256).optional(), time: dateTime.optional() }).optional(),
  handovers: count.optional(),
  framesLost: count.optional(),
  lastHandover: z
    .object({
      from: z.string().optional(),
      to: z.string().optional(),
      reason: z.string().optional(),
      time: dateTime.optional(),
      milliseconds: count.optional(),
      framesLost: count.optional(),
      framesRepeated: count.optional(),
    })
    .optional(),
  /** `Ready`, `SourceReady`, `Placed`, `BufferSufficient`. */
  conditions: conditions.optional(),
});

/** The schema of a CameraClient. A client with a good certificate needs none; `suspend: true` refuses it. */
export const cameraClient = z.object({
  apiVersion: z.literal(homingApiVersion),
  kind: z.literal('CameraClient'),
  metadata: clientMetadata,
  spec,
  status: status.optional(),
});

export type CameraClient = z.output<typeof cameraClient>;
export type CameraClientStatus = z.output<typeof status>;
