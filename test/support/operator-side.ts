/** The operator's side of the stream without a cluster: the real listener, a CA of its own, and snapshots that the test makes. */
import { randomBytes } from 'node:crypto';
import type { Enrol, EnrolmentReply, Report, Snapshot } from '../../crds/operator-messages.ts';
import { openAgentListener, type AgentListener, type AgentSession } from '../../operator/stream/listener.ts';
import { parseCertificateRequest } from '../../protocol/certificate-requests.ts';
import { encodeIdentifier, type ClientId, type ServerId } from '../../protocol/identifiers.ts';
import { issueForKey, issueOperator, type KeyedCertificate } from '../../protocol/issuing.ts';
import { parseIdentity, type Identity } from '../../tls/identity.ts';
import { mintHome, trustOf, type TestHome } from './certificates.ts';

type Resources = Pick<Snapshot, 'homeServers' | 'cameraClients' | 'secrets' | 'isCordoned'>;

export interface OperatorSideOptions {
  /** Whom it certifies without a token, by name: `sha256:…` of their keys; everybody with a token `good`. */
  readonly pinned?: Map<string, string>;
  readonly days?: number;
}

/** Starts it on a free port of 127.0.0.1. */
export async function openOperatorSide(options: OperatorSideOptions = {}): Promise<OperatorSide> {
  const side = new OperatorSide(await mintHome(), options);
  await side.start();
  return side;
}

export class OperatorSide {
  readonly home: TestHome;
  /** What every agent is sent; change it with `set`. */
  resources: Resources = { homeServers: [], cameraClients: [], secrets: [], isCordoned: false };
  denyText = '';
  revision = Date.now();
  authority: KeyedCertificate;
  anchorsPem: string;
  readonly enrolments: Enrol[] = [];
  readonly sessions = new Map<string, AgentSession>();
  readonly reports = new Map<string, Report>();
  readonly closed: string[] = [];
  readonly dropped: string[] = [];
  /** Names that certificates were asked for over the stream. */
  readonly requested: string[] = [];
  readonly #options: OperatorSideOptions;
  readonly #ids = new Map<string, string>();
  readonly #issued = new Map<string, { readonly spki: Uint8Array; readonly holder: string }>();
  #identity: Identity | undefined;
  #listener: AgentListener | undefined;
  #port = 0;

  constructor(home: TestHome, options: OperatorSideOptions) {
    this.home = home;
    this.#options = options;
    this.authority = home.authority;
    this.anchorsPem = home.authority.certificatePem;
  }

  get port(): number {
    return this.#port;
  }

  /** On the port of before, if there was one. @param identity not the operator's, for impostors */
  async start(identity?: Identity): Promise<void> {
    this.#identity = identity ?? (await this.makeIdentity());
    const own = this.#identity;
    this.#listener = await openAgentListener({
      host: '127.0.0.1',
      port: this.#port,
      version: '0.1.0',
      identity: () => this.#identity ?? own,
      trust: () => trustOf(this.anchorsPem, this.denyText),
      isAssigned: (holder, camera) => this.#bridgesOf(camera).includes(holder),
      onEnrol: (request) => this.#enrol(request),
      onSession: (session) => {
        this.sessions.set(session.leaf.name, session);
        this.#send(session);
      },
      onMessage: (session, message) => {
        if (message.kind === 'report') this.reports.set(session.leaf.name, message);
        if (message.kind === 'request') void this.#certify(session, message.name, message.csrPem);
      },
      onClose: (session, reason) => {
        this.closed.push(`${session.leaf.name}: ${reason}`);
        if (this.sessions.get(session.leaf.name) === session) this.sessions.delete(session.leaf.name);
      },
      onDropped: ({ reason }) => this.dropped.push(reason),
    });
    this.#port = this.#listener.port;
  }

  async makeIdentity(): Promise<Identity> {
    return parseIdentity(
      await issueOperator(this.authority, { name: 'operator', nowMs: Date.now(), days: 30 }),
    );
  }

  async stop(): Promise<void> {
    await this.#listener?.close();
  }

  /** Other resources, to everybody who is connected. */
  set(resources: Partial<Resources>): void {
    this.resources = { ...this.resources, ...resources };
    for (const session of this.sessions.values()) this.#send(session);
  }

  /** Another trust set. */
  setTrust(anchorsPem: string, denyText: string): void {
    [this.anchorsPem, this.denyText] = [anchorsPem, denyText];
    this.revision += 1;
    this.#listener?.refresh();
    this.set({});
  }

  /** New certificates for every key that it has seen, by the CA of now, and of its own. */
  async renewAll(): Promise<void> {
    this.#identity = await this.makeIdentity();
    this.#listener?.refresh();
    for (const [name, { spki, holder }] of this.#issued) {
      this.sessions
        .get(holder)
        ?.send({ kind: 'certificate', name, certificatePem: await this.#issue(name, spki, holder) });
    }
  }

  /** Certifies that key under that name from now on. */
  pin(name: string, publicKey: string): void {
    this.#options.pinned?.set(name, publicKey);
  }

  idOf(name: string): string {
    const known = this.#ids.get(name) ?? encodeIdentifier(randomBytes(16));
    this.#ids.set(name, known);
    return known;
  }

  #send(session: AgentSession): void {
    session.send({ kind: 'snapshot', ...this.resources, revision: (this.revision += 1), trust: this.#trust });
  }

  get #trust() {
    return { revision: this.revision, anchorsPem: this.anchorsPem, denyText: this.denyText };
  }

  async #enrol(request: Enrol): Promise<EnrolmentReply> {
    this.enrolments.push(request);
    const key = await parseCertificateRequest(request.csrPem);
    if (!key.ok) return { kind: 'refused', reason: key.reason, message: key.detail };
    const pins = [...(this.#options.pinned ?? new Map<string, string>())];
    const pinned = pins.find(([, pin]) => pin === `sha256:${key.value.spkiSha256}`)?.[0];
    const name = /^good (.+)$/.exec(request.token ?? '')?.[1] ?? pinned;
    if (name === undefined) return { kind: 'refused', reason: 'KeyUnknown', message: 'no resource pins it' };
    const certificatePem = await this.#issue(name, key.value.spki, name);
    return { kind: 'enrolled', version: 1, name, certificatePem, trust: this.#trust };
  }

  async #certify(session: AgentSession, name: string, csrPem: string): Promise<void> {
    this.requested.push(name);
    const key = await parseCertificateRequest(csrPem);
    const { name: holder } = session.leaf;
    if (!key.ok || (name !== holder && !this.#bridgesOf(name).includes(holder))) {
      session.send({ kind: 'refused', name, reason: 'NotAssigned', message: `${holder} is no bridge of it` });
      return;
    }
    session.send({
      kind: 'certificate',
      name,
      certificatePem: await this.#issue(name, key.value.spki, holder),
    });
  }

  async #issue(name: string, spki: Uint8Array, holder: string): Promise<string> {
    this.#issued.set(name, { spki, holder });
    const own = this.idOf(name);
    const id: ClientId | ServerId = name.includes('/') ? `ab:${own}` : `hcsp:${own}`;
    const { days = 30 } = this.#options;
    return issueForKey(this.authority, { spki, id, name, nowMs: Date.now(), days });
  }

  #bridgesOf(name: string): readonly string[] {
    const found = this.resources.cameraClients.find((raw) => nameOf(raw) === name);
    const spec: unknown =
      typeof found === 'object' && found !== null ? Reflect.get(found, 'spec') : undefined;
    const bridge: unknown =
      typeof spec === 'object' && spec !== null ? Reflect.get(spec, 'bridge') : undefined;
    const servers: unknown =
      typeof bridge === 'object' && bridge !== null ? Reflect.get(bridge, 'servers') : [];
    return Array.isArray(servers) ? servers.map(String) : [];
  }
}

function nameOf(raw: unknown): string {
  const metadata: unknown =
    typeof raw === 'object' && raw !== null ? Reflect.get(raw, 'metadata') : undefined;
  if (typeof metadata !== 'object' || metadata === null) return '';
  return `${String(Reflect.get(metadata, 'namespace'))}/${String(Reflect.get(metadata, 'name'))}`;
}

const apiVersion = 'homing.dev/v1alpha1';

/** A HomeServer on `lo`. */
export function homeServerOn(name: string, port: number, spec: object = {}) {
  return {
    apiVersion,
    kind: 'HomeServer',
    metadata: { name },
    spec: {
      listen: { port },
      announce: { interfaces: ['lo'], interval: '1s' },
      sinks: [{ name: 'record', record: { keepFree: '1Mi' } }],
      ...spec,
    },
  };
}

/** A camera of namespace cams. */
export function cameraOf(name: string, servers: readonly string[], spec: object = {}) {
  const metadata = { name, namespace: 'cams' };
  return {
    apiVersion,
    kind: 'CameraClient',
    metadata,
    spec: { source: { test: {} }, bridge: { servers }, ...spec },
  };
}
