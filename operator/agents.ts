/** Who is connected and what each said last: one session a name, the newest. */
import type { Report, Snapshot } from '../crds/operator-messages.ts';
import type { AgentView } from './reconcile/world.ts';
import type { AgentSession } from './stream/listener.ts';

/** One agent that is or was connected since this operator started. */
interface Agent {
  readonly view: AgentView;
  readonly session?: AgentSession;
  /** The snapshot that it was sent last, without its number. */
  readonly sent?: string;
}

/** Everybody, by the name of their certificate. */
export class Agents {
  readonly #agents = new Map<string, Agent>();
  /** Higher than those of operators before: snapshots are ordered over restarts. */
  #revision: number;

  constructor(nowMs: number) {
    this.#revision = nowMs;
  }

  /** Names of those who are connected. */
  get connected(): readonly string[] {
    return [...this.#agents].flatMap(([name, { session }]) => (session === undefined ? [] : name));
  }

  views(): ReadonlyMap<string, AgentView> {
    return new Map([...this.#agents].map(([name, { view }]) => [name, view]));
  }

  /** The trust set that each of those who are connected uses; 0 where it has not said. */
  trustRevisions(): readonly number[] {
    return [...this.#agents.values()].flatMap(({ session, view }) =>
      session === undefined ? [] : (view.report?.trustRevision ?? 0),
    );
  }

  /** What agents say that they use, by the anchor that signed it: certificates, sessions, links. */
  reportedUses(): ReadonlyMap<string, number> {
    const uses = new Map<string, number>();
    for (const { view } of this.#agents.values()) {
      for (const [anchor, count] of Object.entries(view.report?.anchorUses ?? {})) {
        uses.set(anchor, (uses.get(anchor) ?? 0) + count);
      }
    }
    return uses;
  }

  sessionOf(name: string): AgentSession | undefined {
    return this.#agents.get(name)?.session;
  }

  open(session: AgentSession): void {
    const { name } = session.leaf;
    const before = this.#agents.get(name);
    const report = before?.view.report;
    this.#agents.set(name, {
      view: { name, version: session.version, ...(report === undefined ? {} : { report }) },
      session,
    });
    before?.session?.close('replaced');
  }

  report(session: AgentSession, report: Report): void {
    const agent = this.#agents.get(session.leaf.name);
    if (agent?.session !== session) return;
    this.#agents.set(session.leaf.name, { ...agent, view: { ...agent.view, report } });
  }

  /** False where it was not the session that counts. */
  close(session: AgentSession, nowMs: number): boolean {
    const agent = this.#agents.get(session.leaf.name);
    if (agent?.session !== session) return false;
    this.#agents.set(session.leaf.name, { view: { ...agent.view, silentSinceMs: nowMs } });
    return true;
  }

  /** Sends a snapshot where it says something else than the last one. */
  send(name: string, snapshot: Omit<Snapshot, 'revision'>): void {
    const agent = this.#agents.get(name);
    const text = JSON.stringify(snapshot);
    if (agent?.session === undefined || agent.sent === text) return;
    this.#revision += 1;
    this.#agents.set(name, { ...agent, sent: text });
    agent.session.send({ ...snapshot, revision: this.#revision });
  }
}
