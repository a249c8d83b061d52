import { describe, expect, it } from 'vitest';
import type { OperatorMessage, Report } from '../../crds/operator-messages.ts';
import { Agents } from '../../operator/agents.ts';
import type { AgentSession } from '../../operator/stream/listener.ts';
import { agentNamed } from '../support/cluster-world.ts';

type Sent = OperatorMessage | { readonly closed: string };

/** A session of that name, and what it was sent. */
function sessionOf(name: string): { readonly session: AgentSession; readonly sent: Sent[] } {
  const sent: Sent[] = [];
  const leaf = { name, spkiSha256: 'a'.repeat(64) };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a leaf only its name is looked at
  const session = {
    leaf,
    version: '0.1.0',
    send: (message: OperatorMessage) => sent.push(message),
    close: (closed: string) => sent.push({ closed }),
  } as unknown as AgentSession;
  return { session, sent };
}

const report = (trustRevision = 1): Report => ({
  kind: 'report',
  trustRevision,
  snapshotRevision: 1,
  cameras: [],
  anchorUses: { f00: 2 },
  server: agentNamed('nuc').report?.server,
});
const snapshot = (isCordoned: boolean) => ({
  kind: 'snapshot' as const,
  homeServers: [],
  cameraClients: [],
  secrets: [],
  trust: { revision: 1, anchorsPem: '', denyText: '' },
  isCordoned,
});

describe('agents', () => {
  it('are known from their stream on, and silent since it ended', () => {
    const agents = new Agents(1000);
    const { session } = sessionOf('nuc');
    agents.open(session);
    agents.report(session, report());
    expect(agents.views().get('nuc')).toMatchObject({ version: '0.1.0', report: { trustRevision: 1 } });
    expect([agents.connected, agents.trustRevisions()]).toEqual([['nuc'], [1]]);
    expect(agents.close(session, 5000)).toBe(true);
    expect(agents.views().get('nuc')).toMatchObject({ silentSinceMs: 5000, report: { trustRevision: 1 } });
    expect([agents.connected, agents.trustRevisions()]).toEqual([[], []]);
  });

  it('have one session a name, the newest: the older one is closed, and what it says and its end count no more', () => {
    const agents = new Agents(1000);
    const [older, newer] = [sessionOf('nuc'), sessionOf('nuc')];
    agents.open(older.session);
    agents.open(newer.session);
    expect(older.sent).toEqual([{ closed: 'replaced' }]);
    agents.report(older.session, report(9));
    expect(agents.close(older.session, 5000)).toBe(false);
    expect(agents.views().get('nuc')).not.toHaveProperty('silentSinceMs');
    expect(agents.views().get('nuc')).not.toHaveProperty('report');
  });

  it('are sent a snapshot where it says something else, with rising numbers, and again after they came back', () => {
    const agents = new Agents(1000);
    const first = sessionOf('nuc');
    agents.open(first.session);
    agents.send('nuc', snapshot(false));
    agents.send('nuc', snapshot(false));
    agents.send('nuc', snapshot(true));
    agents.send('pi', snapshot(true));
    expect(first.sent).toMatchObject([
      { revision: 1001, isCordoned: false },
      { revision: 1002, isCordoned: true },
    ]);
    const again = sessionOf('nuc');
    agents.open(again.session);
    agents.send('nuc', snapshot(true));
    expect(again.sent).toMatchObject([{ revision: 1003, isCordoned: true }]);
  });

  it('say what they use of each anchor, and that is added up', () => {
    const agents = new Agents(0);
    for (const name of ['nuc', 'pi']) {
      const { session } = sessionOf(name);
      agents.open(session);
      agents.report(session, report());
    }
    expect([...agents.reportedUses()]).toEqual([['f00', 4]]);
  });
});
