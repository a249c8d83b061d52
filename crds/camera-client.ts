/** CameraClient: one camera, sensor or PC, and where it may go. Namespaced, `kubectl get cam`. */
import { z } from 'zod';
import {
  cameraUrl,
  commandName,
  durationBetween,
  feature,
  featureMessage,
  featurePattern,
  identifier,
  label,
  publicKeyPin,
  setOf,
  subdomain,
  wholeNumber,
} from './fields.ts';
import { clientMetadata, conditions, dateTime, homingApiVersion, observedGeneration } from './metadata.ts';
import { exactlyOneOf, fixedAtCreation, has, ownNames, withListType, withRules } from './rules.ts';

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

const rtsp = z.object({
  url: cameraUrl('rtsp', 'rtsps').describe('rtsp:// or rtsps://, without user and password.'),
  transport: z
    .enum(['TCP', 'UDP'])
    .default('TCP')
    .describe(
      'TCP loses nothing; UDP, for cameras that need it, is not opened by agents of this version yet.',
    ),
});

const native = z.object({
  publicKey: publicKeyPin
    .optional()
    .describe('SHA-256 of the public key that it enrols with; `homing connect --operator` shows it.'),
});

const source = withRules(
  z.object({
    rtsp: rtsp.optional().describe('A camera that speaks RTSP.'),
    http: z
      .object({ url: cameraUrl('http', 'https').describe('http:// or https://, without user and password.') })
      .optional()
      .describe('A camera or a server that gives a stream over HTTP.'),
    rtmp: z
      .object({})
      .optional()
      .describe('A camera that sends RTMP to its bridge. Agents of this version do not open it yet.'),
    exec: z
      .object({ command: commandName.describe('Name of the command, never a command line.') })
      .optional()
      .describe(
        'What a command that the installation knows by name writes. Agents of this version do not open it yet.',
      ),
    file: z
      .object({
        name: mediaName.describe('Name of the file.'),
        loop: z.boolean().default(true).describe('Whether it begins again at its end.'),
      })
      .optional()
      .describe('A file of the media folder of the installation, at its own speed.'),
    test: z
      .object({
        fps: wholeNumber(1, 60).default(15).describe('Frames a second.'),
        gop: wholeNumber(1, 600).default(30).describe('Frames from key frame to key frame.'),
      })
      .optional()
      .describe('A picture made by the agent, with a counter of its frames.'),
    native: native.optional().describe('A client that connects by itself: `homing connect`.'),
    credentialsRef: z
      .object({ name: subdomain.describe('Its name.') })
      .optional()
      .describe('A Secret in the same namespace with username and password.'),
    media: z
      .enum(['video/mp2t', 'application/x-ndjson', 'text/plain', 'application/octet-stream'])
      .default('video/mp2t')
      .describe('Media type: says where the stream may be cut.'),
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

const stream = withRules(
  z.object({
    name: label.describe('Name of the stream, as sub.'),
    url: cameraUrl('rtsp', 'rtsps').describe('rtsp:// or rtsps://, without user and password.'),
  }),
  [
    {
      rule: "self.name != 'main'",
      message: 'main is the source itself: needs another name',
      holds: (value) => value.name !== 'main',
    },
  ],
);

const maxWeights = 32;

const weights = withRules(
  z
    .record(feature, wholeNumber(0, 1000))
    .refine((value) => Object.keys(value).length <= maxWeights, {
      error: `must have at most ${maxWeights} fields`,
    })
    .meta({ maxProperties: maxWeights }),
  // A structural schema has no bounds for keys; files have them from `feature`.
  [{ rule: `self.all(key, key.matches('${featurePattern.source}'))`, message: featureMessage }],
);

const selection = z.object({
  // @see [0102]
  mode: z
    .enum(['Best', 'AnyValid'])
    .default('Best')
    .describe('Best: the best server. AnyValid: the newest server takes it, whatever it can do.'),
  requires: setOf(feature, 32).prefault([]).describe('Features that a server must have to take it.'),
  weights: weights
    .prefault({})
    .describe('What each feature counts in the level of a server; 1 where absent.'),
});

const handover = z.object({
  // @see [0067]
  order: z
    .enum(['ConnectFirst', 'ReleaseFirst'])
    .default('ConnectFirst')
    .describe('Whether it connects to the new server before it releases the old one, or after.'),
  ackTimeout: durationBetween('100ms', '1m')
    .default('1s')
    .describe('How long a server may leave a byte without an answer before it counts as lost.'),
  cutWait: durationBetween('1s', '1m').default('10s').describe('How long a handover waits for a key frame.'),
});

const bridge = z.object({
  servers: setOf(label, 16)
    .optional()
    .describe(
      'Servers whose agents may hold the session with the camera, in order: the first that lives does.',
    ),
  bridgeTimeout: durationBetween('1s', '5m')
    .default('3s')
    .describe(
      'After this time without a sign of a bridge the next one takes over. No bridge of this version does that by itself yet.',
    ),
});

const spec = withRules(
  z.object({
    identifier: identifier
      .optional()
      .describe('The 22 characters of its identifier; absent: made for it. Fixed at creation.'),
    suspend: z.boolean().optional().describe('Nobody opens the camera, and every server refuses it.'),
    source: source.describe('Where its bytes come from: exactly one kind.'),
    streams: withListType(withRules(z.array(stream).max(4), [ownNames('stream')]), 'map', ['name'])
      .optional()
      .describe(
        'Further streams of the same camera: they move with it, each cut at its own key frame. Agents of this version open the source alone.',
      ),
    bridge: bridge
      .optional()
      .describe('Who holds the session with the camera; absent: the operator chooses.'),
    selection: selection.optional().describe('Which server is the best for it.'),
    handover: handover.prefault({}).describe('How it moves.'),
  }),
  [
    fixedAtCreation('identifier'),
    {
      rule: '!(has(self.selection) && has(self.source) && has(self.source.native))',
      message: 'selection and source.native exclude each other: a native client says its own in its hello',
      holds: (value) => !(has(value, 'selection') && has(value.source, 'native')),
    },
  ],
).describe('The camera, and what is wanted for it.');

const count = z.int();

const lastHandover = z.object({
  from: z.string().optional().describe('The server that it left.'),
  to: z.string().optional().describe('The server that it went to.'),
  reason: z.string().optional().describe('Why.'),
  time: dateTime.optional().describe('When.'),
  milliseconds: count
    .optional()
    .describe('From the redirect, or the loss, to the first answer of the new server.'),
  framesLost: count.optional().describe('Frames that are in no recording.'),
  framesRepeated: count.optional().describe('Frames that both servers got.'),
});

const status = z
  .object({
    observedGeneration: observedGeneration.optional(),
    identifier: z.string().optional().describe('The 22 characters of its identifier.'),
    server: z.string().optional().describe('The server that it streams to.'),
    bridge: z.string().optional().describe('The server whose agent holds the session with the camera.'),
    media: z.string().optional().describe('Media type and codec.'),
    selection: z
      .object({
        reason: z.string().max(256).optional().describe('Why it is at this server.'),
        time: dateTime.optional().describe('Since when.'),
      })
      .optional()
      .describe('Why it is where it is.'),
    handovers: count.optional().describe('How often it moved.'),
    framesLost: count.optional().describe('Frames that moves lost.'),
    lastHandover: lastHandover.optional().describe('Its last move.'),
    conditions: conditions
      .optional()
      .describe('Ready, SourceReady, Placed and BufferSufficient, each with its reason.'),
  })
  .describe('What the operator knows of it. Written by the operator alone.');

/** The schema of a CameraClient. A client with a good certificate needs none; `suspend: true` refuses it. */
export const cameraClient = z
  .object({
    apiVersion: z.literal(homingApiVersion),
    kind: z.literal('CameraClient'),
    metadata: clientMetadata,
    spec,
    status: status.optional(),
  })
  .describe('One camera, sensor or PC, and where its stream may go.');

export type CameraClient = z.output<typeof cameraClient>;
export type CameraClientStatus = z.output<typeof status>;
