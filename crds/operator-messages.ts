/**
 * What agents and the operator say to each other over TLS: JSON objects, a line each. Resources and statuses travel as they
 * are; unknown fields are ignored, versions are named on both sides, and each side works with the version before and after.
 *
 *     homing-enrol/1    agent  → enrol                    operator → enrolled | refused
 *     homing-stream/1   agent  → hello report request ping    operator → hello snapshot certificate refused ping
 */
import { z } from 'zod';
import { dateTime } from './metadata.ts';

/** Versions of the messages that this build speaks, newest first. */
export const messageVersions: readonly number[] = [1];

/** Bounds before parsing: an enrolment is a CSR and a token; a snapshot holds every camera of a node. */
export const maxEnrolmentBytes = 16 * 1024;
export const maxAgentLineBytes = 1024 * 1024;
export const maxOperatorLineBytes = 16 * 1024 * 1024;

/** A line without any news is due this often; three times as long without a line is loss. */
export const pingEveryMs = 10_000;

const name = z.string().min(1).max(253);
const versions = z.array(z.int()).min(1).max(16);

/**
 * The one line of an enrolment. Names in the CSR are ignored: the operator sets them, from the pod's node where a token came
 * and else from the resource that pins the key (`external.publicKey`, `source.native.publicKey`).
 */
export const enrol = z.object({
  kind: z.literal('enrol'),
  versions,
  /** Of the agent's program. */
  version: z.string().max(64),
  csrPem: z.string().min(1).max(8192),
  /** A projected service account token with the audience `homing`. */
  token: z.string().max(8192).optional(),
});

/** Why something was refused: a closed list of the operator's, and a sentence that says what to do. */
const refused = z.object({
  kind: z.literal('refused'),
  /** The name that was asked for, where a certificate was. */
  name: name.optional(),
  reason: z.string().min(1).max(64),
  message: z.string().max(1024),
  retryAfterMs: z.int().min(0).optional(),
});

/** The trust set as files hold it, and how new it is: a higher revision wins over the mounted files. */
export const trustTexts = z.object({
  revision: z.int().min(0),
  anchorsPem: z.string().max(1_048_576),
  denyText: z.string().max(1_048_576),
});

const enrolled = z.object({
  kind: z.literal('enrolled'),
  version: z.int(),
  /** The server's name or the client's `namespace/name`, as the certificate says. */
  name,
  certificatePem: z.string().max(65_536),
  trust: trustTexts,
});

/** The first line of each side of a stream. */
const hello = z.object({
  kind: z.literal('hello'),
  versions,
  version: z.string().max(64),
});

/** What a server says of itself: facts that `kubectl get homeservers` shows, none that ticks. */
export const serverReport = z.object({
  identifier: z.string().max(64),
  /** `ip:port`, `[ip]:port`. */
  address: z.string().max(261).optional(),
  features: z.array(z.string().max(32)).max(32),
  /** Configured, and not announced as their sinks are not healthy. */
  missingFeatures: z.array(z.string().max(32)).max(32),
  level: z.int().min(0),
  max: z.int().min(0),
  isDraining: z.boolean(),
  /** Names of the servers that it has confirmed (hears and trusts). */
  hears: z.array(name).max(64),
  /** For a client without wishes, best first; why each stands before the next. */
  ranking: z.array(z.object({ name, why: z.string().max(256) })).max(64),
  /** Clients here, streaming or between sessions. */
  clients: z.array(z.object({ name, isStreaming: z.boolean(), why: z.string().max(512) })).max(100_000),
  certificate: z.object({ notAfter: dateTime, anchorSha256: z.string().max(64) }).optional(),
});

/** What a bridge (or a native client) says of one camera. */
export const cameraReport = z.object({
  /** `namespace/name`. */
  name,
  /** The server's name that it streams to. */
  server: name.optional(),
  media: z.string().max(128).optional(),
  handovers: z.int().min(0),
  framesLost: z.int().min(0),
  lastHandover: z
    .object({
      from: z.string().max(253),
      to: z.string().max(253),
      reason: z.string().max(64),
      time: dateTime,
      milliseconds: z.int().min(0),
      framesLost: z.int().min(0),
      framesRepeated: z.int().min(0),
    })
    .optional(),
  /** Absent until the source said something. */
  source: z
    .object({ isReady: z.boolean(), reason: z.string().max(64), message: z.string().max(1024) })
    .optional(),
  /** Its share of the ring holds what is not durable. */
  isBufferSufficient: z.boolean(),
  /** Why this camera is not run though it is assigned: what is wrong with its resource here. */
  problem: z.string().max(1024).optional(),
});

/** Agent to operator, on change, whole: what is missing is gone. */
export const report = z.object({
  kind: z.literal('report'),
  /** The trust set in use. */
  trustRevision: z.int().min(0),
  /** The snapshot in use; 0: what was on disk. */
  snapshotRevision: z.int().min(0),
  /** Why the last snapshot is not in use. */
  problem: z.string().max(1024).optional(),
  server: serverReport.optional(),
  cameras: z.array(cameraReport).max(1000),
  /** Live sessions and links by the anchor that signed the other side, and our own certificates. */
  anchorUses: z.record(z.string().max(64), z.int().min(0)),
});

/** Agent to operator: a certificate for itself (renewal) or for a camera that it is a bridge of. */
const certificateRequest = z.object({
  kind: z.literal('request'),
  name,
  csrPem: z.string().min(1).max(8192),
});

const certificate = z.object({
  kind: z.literal('certificate'),
  name,
  certificatePem: z.string().max(65_536),
});

const ping = z.object({ kind: z.literal('ping') });

/**
 * Operator to agent, whole: the resources that concern this identity, as the API server has them (no status, no
 * managedFields), credentials included. What is missing is gone.
 */
export const snapshot = z.object({
  kind: z.literal('snapshot'),
  revision: z.int().min(1),
  /** The agent's HomeServer, and of the others those with an external address. Parsed by the agent's own schema. */
  homeServers: z.array(z.unknown()).max(1000),
  /** Cameras that it is a bridge of, and all suspended ones. */
  cameraClients: z.array(z.unknown()).max(10_000),
  /** v1 Secrets of those cameras. */
  secrets: z.array(z.unknown()).max(1000),
  trust: trustTexts,
  /** The node is cordoned and the HomeServer drains on that: `max` is 0 until it is not. */
  isCordoned: z.boolean(),
});

export const agentMessage = z.discriminatedUnion('kind', [hello, report, certificateRequest, ping]);
export const operatorMessage = z.discriminatedUnion('kind', [hello, snapshot, certificate, refused, ping]);
export const enrolmentReply = z.discriminatedUnion('kind', [enrolled, refused]);

export type Enrol = z.output<typeof enrol>;
export type EnrolmentReply = z.output<typeof enrolmentReply>;
export type AgentMessage = z.output<typeof agentMessage>;
export type OperatorMessage = z.output<typeof operatorMessage>;
export type Snapshot = z.output<typeof snapshot>;
export type Report = z.output<typeof report>;
export type ServerReport = z.output<typeof serverReport>;
export type CameraReport = z.output<typeof cameraReport>;
export type TrustTexts = z.output<typeof trustTexts>;
