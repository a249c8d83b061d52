import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { maxAgentLineBytes, type AgentMessage, type Snapshot } from '../../../crds/operator-messages.ts';
import {
  openAgentListener,
  type AgentListener,
  type AgentSession,
} from '../../../operator/stream/listener.ts';
import { createCertificateRequest } from '../../../protocol/certificate-requests.ts';
import { issueOperator } from '../../../protocol/issuing.ts';
import type { TrustSet } from '../../../protocol/trust.ts';
import { parseIdentity, type Identity } from '../../../tls/identity.ts';
import { mintHome, trustOf, type TestHome } from '../../support/certificates.ts';

const home: TestHome = await mintHome();
const operator = parseIdentity(
  await issueOperator(home.authority, { name: 'operator', nowMs: Date.now(), days: 1 }),
);
const nuc = await home.server('nuc');
const csrPem = await createCertificateRequest(nuc.keyPem);

/** A connection with what came on it, in lines. */
interface Caller {
  readonly socket: TLSSocket;
  readonly lines: unknown[];
  readonly closed: Promise<unknown>;
  say(message: object | string): void;
}

async function call(port: number, alpn: string, identity?: Identity): Promise<Caller> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    ALPNProtocols: [alpn],
    rejectUnauthorized: false,
    ...(identity === undefined ? {} : { cert: identity.certificatePem, key: identity.keyPem }),
  });
  const lines: unknown[] = [];
  let held = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    held += chunk.toString('utf8');
    const parts = held.split('\n');
    held = parts.pop() ?? '';
    lines.push(...parts.map((line): unknown => JSON.parse(line)));
  });
  const closed = once(socket, 'close');
  await once(socket, 'secureConnect');
  const say = (message: object | string) =>
    void socket.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`);
  return { socket, lines, closed, say };
}

describe('the port for agents', () => {
  let trust: TrustSet = home.trust;
  let listener: AgentListener;
  const sessions: AgentSession[] = [];
  const messages: AgentMessage[] = [];
  const closed: string[] = [];
  const dropped: string[] = [];
  const callers: Caller[] = [];
  let onEnrol: () => Promise<{ kind: 'refused'; reason: string; message: string }>;

  beforeEach(async () => {
    trust = home.trust;
    for (const list of [sessions, messages, closed, dropped]) list.length = 0;
    onEnrol = async () => ({ kind: 'refused', reason: 'KeyUnknown', message: 'nobody pins it' });
    listener = await openAgentListener({
      identity: () => operator,
      trust: () => trust,
      host: '127.0.0.1',
      port: 0,
      version: '0.1.0',
      isAssigned: (_, camera) => camera === 'cams/door',
      onEnrol: () => onEnrol(),
      onSession: (session) => sessions.push(session),
      onMessage: (_, message) => messages.push(message),
      onClose: ({ leaf }, reason) => closed.push(`${leaf.name} ${reason}`),
      onDropped: ({ reason }) => dropped.push(reason),
    });
  });
  afterEach(async () => {
    for (const { socket } of callers.splice(0)) socket.destroy();
    await listener.close();
  });

  const open = async (alpn: string, identity?: Identity): Promise<Caller> => {
    const caller = await call(listener.port, alpn, identity);
    callers.push(caller);
    return caller;
  };
  const hello = (versions: readonly number[] = [1]) => ({
    kind: 'hello',
    versions,
    version: '0.1.0',
    isNew: true,
  });
  const stream = async (identity = nuc): Promise<Caller> => {
    const caller = await open('homing-stream/1', identity);
    caller.say(hello());
    await expect.poll(() => sessions.at(-1)?.leaf.id).toBe(identity.leaf.id);
    return caller;
  };
  const enrolment = { kind: 'enrol', versions: [1], version: '0.1.0', csrPem };

  it('answers one enrolment without a certificate, and closes', async () => {
    const caller = await open('homing-enrol/1');
    caller.say({ ...enrolment, brandNew: true });
    await caller.closed;
    expect(caller.lines).toEqual([{ kind: 'refused', reason: 'KeyUnknown', message: 'nobody pins it' }]);
    expect(dropped).toEqual([]);
  });

  it.each([
    ['what is no JSON', 'GET / HTTP/1.1', 'not-json'],
    ['another message', { kind: 'hello' }, 'message-invalid'],
    ['a token above its limit', { ...enrolment, token: 'x'.repeat(9000) }, 'message-invalid'],
    ['a line above its limit', 'x'.repeat(20_000), 'line-too-long'],
  ])('closes an enrolment with %s', async (_, line, reason) => {
    const caller = await open('homing-enrol/1');
    caller.say(line);
    await caller.closed;
    expect([caller.lines, dropped]).toEqual([[], [reason]]);
  });

  it('closes an enrolment that says nothing for 5 s', async () => {
    const caller = await open('homing-enrol/1');
    await caller.closed;
    expect(dropped).toEqual(['enrolment-late']);
  });

  it('tells an agent that speaks none of its versions what to do, at enrolment and on the stream', async () => {
    const enrolling = await open('homing-enrol/1');
    enrolling.say({ ...enrolment, versions: [7, 8] });
    const streaming = await open('homing-stream/1', nuc);
    streaming.say(hello([7, 8]));
    await Promise.all([enrolling.closed, streaming.closed]);
    const refusal = {
      kind: 'refused',
      reason: 'VersionUnknown',
      message: 'the operator speaks version 1 of the messages and the agent 7, 8: update the older of them',
    };
    expect(enrolling.lines).toEqual([refusal]);
    expect(streaming.lines.at(-1)).toEqual(refusal);
    expect(sessions).toEqual([]);
  });

  it('speaks with an agent of the next version', async () => {
    const caller = await open('homing-stream/1', nuc);
    caller.say(hello([2, 1]));
    await expect.poll(() => sessions.length).toBe(1);
    caller.say({ kind: 'telemetry', of: 'the future' });
    caller.say({ kind: 'request', name: 'nuc', csrPem, priority: 9 });
    await expect.poll(() => messages).toEqual([{ kind: 'request', name: 'nuc', csrPem }]);
    expect([dropped, closed]).toEqual([['kind-unknown'], []]);
  });

  it('says that it cannot judge now where judging fails, and nothing of why', async () => {
    onEnrol = async () => Promise.reject(new Error('secret of the API server'));
    const caller = await open('homing-enrol/1');
    caller.say(enrolment);
    await caller.closed;
    expect(caller.lines).toMatchObject([{ reason: 'Unavailable', retryAfterMs: 5000 }]);
    expect([JSON.stringify(caller.lines).includes('secret'), dropped]).toEqual([false, ['enrolment-failed']]);
  });

  it('lets one address ask so often and no more', async () => {
    const ask = async () => {
      const caller = await open('homing-enrol/1');
      caller.say(enrolment);
      await caller.closed;
      return caller.lines;
    };
    const replies = await Promise.all(Array.from({ length: 70 }, ask));
    const reasons = replies
      .flat()
      .map((reply) => (typeof reply === 'object' && reply !== null ? Reflect.get(reply, 'reason') : ''));
    expect(reasons.filter((reason) => reason === 'KeyUnknown').length).toBeGreaterThanOrEqual(60);
    expect(reasons.filter((reason) => reason === 'TooMany').length).toBeGreaterThan(0);
  });

  it.each([
    ['no certificate', async () => undefined, 'no-certificate'],
    ['a certificate of another CA', async () => (await mintHome()).server('nuc'), 'unknown-ca'],
    [
      'a certificate that ran out',
      async () => home.server('nuc', { nowMs: Date.now() - 9e9, days: 1 }),
      'expired',
    ],
    ['the certificate of an operator', async () => operator, 'second-opinion'],
  ])('refuses a stream with %s and says so', async (_, identity, reason) => {
    const caller = await open('homing-stream/1', await identity());
    caller.say(hello());
    await caller.closed;
    expect(caller.lines).toMatchObject([{ kind: 'refused', reason }]);
    expect([sessions, dropped]).toEqual([[], [reason]]);
  });

  it.each([
    ['a line above 1 MiB', 'x'.repeat(maxAgentLineBytes + 1), 'line-too-long'],
    ['what is no JSON', '{"kind":', 'not-json'],
  ])('ends a session with %s', async (_, line, reason) => {
    const caller = await stream();
    caller.say(line);
    await caller.closed;
    await expect.poll(() => closed).toEqual([`nuc ${reason}`]);
    expect(dropped).toEqual([reason]);
  });

  it('takes no word before hello', async () => {
    const caller = await open('homing-stream/1', nuc);
    caller.say({ kind: 'request', name: 'nuc', csrPem });
    await caller.closed;
    expect([sessions, messages, closed]).toEqual([[], [], []]);
  });

  it('counts a message that is not as its kind must be, and goes on', async () => {
    const caller = await stream();
    caller.say({ kind: 'report', cameras: 'all' });
    caller.say({ kind: 'request', name: 'nuc', csrPem });
    await expect.poll(() => messages.length).toBe(1);
    expect([dropped, closed]).toEqual([['message-invalid'], []]);
  });

  it('takes of a report what is its sender’s to say', async () => {
    const caller = await stream();
    const camera = (name: string) => ({ name, handovers: 0, framesLost: 0, isBufferSufficient: true });
    const cameras = [camera('cams/door'), camera('lab/safe')];
    caller.say({ kind: 'report', trustRevision: 1, snapshotRevision: 1, cameras, anchorUses: {} });
    await expect.poll(() => messages).toMatchObject([{ cameras: [{ name: 'cams/door' }] }]);
    expect(dropped).toEqual(['report-foreign']);
  });

  it('replaces a session by a newer one of the same key, and tells of the new one first', async () => {
    const first = await stream();
    await stream();
    await first.closed;
    await expect.poll(() => closed).toEqual(['nuc replaced']);
    expect(sessions).toHaveLength(2);
  });

  it('refuses another key of an identity that is connected', async () => {
    await stream();
    const id = nuc.leaf.id.slice('hcsp:'.length);
    const thief = await open('homing-stream/1', await home.server('nuc', { id }));
    await thief.closed;
    expect(thief.lines).toMatchObject([{ kind: 'refused', reason: 'key-in-use' }]);
    expect([sessions.length, closed]).toEqual([1, []]);
  });

  it('cuts a session off when its key is denied', async () => {
    const caller = await stream();
    trust = trustOf(home.authority.certificatePem, `${nuc.leaf.spkiSha256}\n`);
    listener.refresh();
    await caller.closed;
    await expect.poll(() => closed).toEqual(['nuc denied']);
  });

  it('keeps only the newest snapshot for an agent that does not read, and holds up nobody', async () => {
    const slow = await stream();
    const other = await home.server('pi');
    const quick = await stream(other);
    slow.socket.pause();
    const [slowly, quickly] = sessions;
    const cameraClients = Array.from({ length: 200 }, (_, index) => ({ index, text: 'x'.repeat(20_000) }));
    for (let revision = 1; revision <= 40; revision += 1) {
      const snapshot: Snapshot = {
        kind: 'snapshot',
        revision,
        homeServers: [],
        cameraClients,
        secrets: [],
        trust: { revision, anchorsPem: '', denyText: '' },
        isCordoned: false,
      };
      slowly?.send(snapshot);
      quickly?.send({ ...snapshot, cameraClients: [] });
      await sleep(1);
    }
    const revisions = ({ lines }: Caller) =>
      lines.flatMap((line) =>
        typeof line === 'object' && line !== null && Reflect.get(line, 'kind') === 'snapshot'
          ? [Number(Reflect.get(line, 'revision'))]
          : [],
      );
    await expect.poll(() => revisions(quick).at(-1)).toBe(40);
    slow.socket.resume();
    await expect.poll(() => revisions(slow).at(-1), { timeout: 10_000 }).toBe(40);
    expect(revisions(slow).length).toBeLessThan(10);
  });

  it('reads what an agent pours in at its own pace, and loses nothing', async () => {
    const caller = await stream();
    for (let index = 0; index < 300; index += 1)
      caller.say({ kind: 'request', name: `cams/c${index}`, csrPem });
    await sleep(300);
    expect(messages.length).toBeLessThanOrEqual(128);
    await expect.poll(() => messages.length, { timeout: 10_000 }).toBe(300);
    expect(closed).toEqual([]);
  });

  it('shows its CA beside its own certificate', async () => {
    const caller = await open('homing-enrol/1');
    expect(
      caller.socket
        .getPeerX509Certificate()
        ?.issuerCertificate?.raw.equals(home.trust.anchors[0]?.der ?? Buffer.alloc(0)),
    ).toBe(true);
  });
});
