/** Where agents come in: enrolment, sessions, what they say and what they are sent. */
import type { AgentMessage } from '../crds/operator-messages.ts';
import type { Agents } from './agents.ts';
import type { Certifier } from './certifier.ts';
import { createEnrolments, type Enrolments } from './enrolments.ts';
import { assignmentsOf } from './issue/assignments.ts';
import { makeOperatorIdentity } from './issue/operator-identity.ts';
import type { KubeConnection } from './kube/connection.ts';
import type { OperatorMetrics } from './metrics.ts';
import type { EmitOperatorEvent } from './operator-events.ts';
import { refusalEvent, type EventNote } from './reconcile/events.ts';
import type { Survey } from './reconcile/survey.ts';
import { fullNameOf } from './reconcile/world.ts';
import { DropNotes } from './stream/drop-notes.ts';
import {
  openAgentListener,
  type AgentListener,
  type AgentListenerOptions,
  type AgentSession,
} from './stream/listener.ts';
import type { TrustKeeper } from './trust-keeper.ts';

export interface DoorOptions {
  readonly connection: KubeConnection;
  readonly namespace: string;
  readonly listen: { readonly host?: string; readonly port: number };
  readonly version: string;
  readonly agents: Agents;
  readonly trust: TrustKeeper;
  readonly certifier: Certifier;
  readonly metrics: OperatorMetrics;
  readonly survey: () => Survey | undefined;
  readonly onChange: () => void;
  /** What people should hear of at the resource. */
  readonly onEvent: (event: EventNote) => void;
  readonly emit: EmitOperatorEvent;
}

/** Another key that asked for a name is shown for this long after it asked last. */
const showKeyMs = 600_000;
const maxTold = 1000;
/** Our own is good for a year, and an operator may run for longer. */
const renewOwnBeforeMs = 30 * 86_400_000;

export class Door {
  readonly #options: DoorOptions;
  readonly #enrolments: Enrolments;
  readonly #keysInUse = new Map<string, { readonly message: string; readonly untilMs: number }>();
  /** Until when a refusal is not told of again, by whom and why. */
  readonly #told = new Map<string, number>();
  readonly #drops = new DropNotes();
  #listener: AgentListener | undefined;
  #identity: Awaited<ReturnType<typeof makeOperatorIdentity>> | undefined;

  constructor(options: DoorOptions) {
    this.#options = options;
    const { connection, namespace, certifier, trust, agents, survey } = options;
    this.#enrolments = createEnrolments({
      connection,
      namespace,
      certifier,
      trust: () => trust.texts,
      isDenied: (key) => trust.trust.deniedKeys.has(key),
      connectedKey: (name) => agents.sessionOf(name)?.leaf.spkiSha256,
      survey,
      onRefused: (client, reason, message) => this.#tellRefusal(client, reason, message),
    });
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** By name: that another key asked for it, for people. */
  keysInUse(nowMs: number): ReadonlyMap<string, string> {
    for (const [name, { untilMs }] of this.#keysInUse) if (untilMs <= nowMs) this.#keysInUse.delete(name);
    return new Map([...this.#keysInUse].map(([name, { message }]) => [name, message]));
  }

  async open(): Promise<void> {
    const { trust, listen, version } = this.#options;
    const identity = await makeOperatorIdentity(trust.authority, Date.now());
    this.#identity = identity;
    this.#listener = await openAgentListener({
      ...listen,
      identity: () => this.#identity ?? identity,
      trust: () => trust.trust,
      version,
      onEnrol: (request) => this.#enrolments.enrol(request),
      onSession: (session) => this.#open(session),
      onMessage: (session, message) => void this.#take(session, message),
      onClose: (session, reason) => this.#close(session, reason),
      isAssigned: (holder, camera) => this.#isAssigned(holder, camera),
      onDropped: (dropped) => this.#tellDrop(dropped),
    });
  }

  /** The trust set changed: who is denied goes at once. With another CA our own certificate is another one too. */
  async refresh(isNewAuthority: boolean): Promise<void> {
    const isOld = (this.#identity?.leaf.notAfterMs ?? 0) - Date.now() < renewOwnBeforeMs;
    if (isNewAuthority || isOld)
      this.#identity = await makeOperatorIdentity(this.#options.trust.authority, Date.now());
    this.#listener?.refresh();
  }

  /** Sends new certificates to whoever needs them. */
  async renew(holders: readonly string[] = this.#options.agents.connected): Promise<void> {
    const { agents, certifier, survey } = this.#options;
    const isAssigned = assignmentsOf(survey());
    for (const holder of holders) {
      for (const { name, pem } of await certifier.renew(holder, isAssigned)) {
        agents.sessionOf(holder)?.send({ kind: 'certificate', name, certificatePem: pem });
      }
    }
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  #open(session: AgentSession): void {
    const { agents, emit, onChange } = this.#options;
    const { leaf, version } = session;
    agents.open(session);
    emit({ event: 'connected', client: leaf.name, version });
    onChange();
    void this.renew([leaf.name]).catch((error: unknown) => this.#tellFailure(error));
  }

  #close(session: AgentSession, reason: string): void {
    const { agents, emit, onChange } = this.#options;
    if (!agents.close(session, Date.now())) return;
    emit({ event: 'disconnected', client: session.leaf.name, reason });
    onChange();
  }

  async #take(session: AgentSession, message: AgentMessage): Promise<void> {
    const { agents, onChange } = this.#options;
    if (message.kind === 'report') {
      agents.report(session, message);
      onChange();
    } else if (message.kind === 'request') {
      try {
        session.send(await this.#enrolments.certify(session.leaf, message.name, message.csrPem));
      } catch (error) {
        this.#tellFailure(error);
        session.close('failed');
      }
    }
  }

  #tellRefusal(client: string, reason: string, message: string): void {
    const { metrics, emit, onChange } = this.#options;
    metrics.refusals.inc({ reason });
    emit({ event: 'refused', client, reason, message });
    this.#tellPeople(client, reason, message);
    if (reason !== 'KeyInUse') return;
    this.#keysInUse.set(client, { message, untilMs: Date.now() + showKeyMs });
    setTimeout(onChange, showKeyMs + 1).unref();
    onChange();
  }

  /** Whoever tries again and again is told of once in ten minutes: each Event is a write. */
  #tellPeople(client: string, reason: string, message: string): void {
    const nowMs = Date.now();
    for (const [key, untilMs] of this.#told) if (untilMs <= nowMs) this.#told.delete(key);
    const key = `${client} ${reason}`;
    const event = refusalEvent(client, reason, message);
    if (event === undefined || this.#told.has(key) || this.#told.size >= maxTold) return;
    this.#told.set(key, nowMs + showKeyMs);
    this.#options.onEvent(event);
  }

  /** Before the first look nobody's report is taken apart. */
  #isAssigned(holder: string, camera: string): boolean {
    const survey = this.#options.survey();
    if (survey === undefined) return true;
    return survey.assigned.get(holder)?.some((each) => fullNameOf(each) === camera) === true;
  }

  #tellDrop({ reason, detail, from }: Parameters<NonNullable<AgentListenerOptions['onDropped']>>[0]): void {
    const { metrics, emit } = this.#options;
    metrics.dropped.inc({ reason });
    const message = this.#drops.note(reason, detail, from, Date.now());
    if (message !== undefined) emit({ event: 'warning', reason: 'Dropped', message });
  }

  #tellFailure(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#options.emit({ event: 'warning', reason: 'Issue', message });
  }
}
