import { once } from 'node:events';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callForStream, callToEnrol } from '../../../agent/control/operator-calls.ts';
import { serveOperator } from '../../../agent/control/operator-session.ts';
import { maxOperatorLineBytes, type OperatorMessage, type Report } from '../../../crds/operator-messages.ts';
import { issueOperator } from '../../../protocol/issuing.ts';
import { parseIdentity, type Identity } from '../../../tls/identity.ts';
import { tlsServerOptions } from '../../../tls/peers.ts';
import { mintHome } from '../../support/certificates.ts';

const home = await mintHome();
const operator = parseIdentity(
  await issueOperator(home.authority, { name: 'operator', nowMs: Date.now(), days: 1 }),
);
const nuc = await home.server('nuc');
const hello = { kind: 'hello', versions: [1], version: '0.1.0' };
const report = (trustRevision: number): Report => ({
  kind: 'report',
  trustRevision,
  snapshotRevision: 1,
  cameras: [],
  anchorUses: {},
});

describe('an agent on the stream', () => {
  let server: Server;
  let port = 0;
  let script: (socket: TLSSocket, say: (message: unknown) => void) => void = () => {};
  const heard: unknown[] = [];
  const sockets: TLSSocket[] = [];

  const listen = async (identity: Identity): Promise<void> => {
    server = createServer(
      { ...tlsServerOptions(identity, home.trust), ALPNProtocols: ['homing-stream/1', 'homing-enrol/1'] },
      (socket) => {
        sockets.push(socket);
        socket.on('error', () => {});
        let held = '';
        socket.on('data', (chunk: Buffer) => {
          const parts = (held + chunk.toString('utf8')).split('\n');
          held = parts.pop() ?? '';
          heard.push(...parts.map((line): unknown => JSON.parse(line)));
        });
        script(
          socket,
          (message) =>
            void socket.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`),
        );
      },
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
  };

  beforeEach(async () => {
    heard.length = 0;
    script = () => {};
    await listen(operator);
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
  });

  const signal = new AbortController().signal;
  const serve = async (
    reportNow: () => Report = () => report(1),
    taken: OperatorMessage[] = [],
  ): Promise<void> => {
    const endpoint = { ip: '127.0.0.1', port };
    const socket = await callForStream({ endpoint, trust: home.trust, identity: nuc, signal });
    sockets.push(socket);
    await serveOperator({
      socket,
      version: '0.1.0',
      report: async () => reportNow(),
      onHello: () => {},
      onMessage: async (message) => void taken.push(message),
    });
  };

  it('works with the operator of the next version: what it does not know it leaves aside', async () => {
    const certificate = { kind: 'certificate', name: 'nuc', certificatePem: 'x' };
    const taken: OperatorMessage[] = [];
    script = (socket, say) => {
      say({ ...hello, versions: [2, 1], motd: 'new' });
      say({ kind: 'weather', sun: true });
      say({ ...certificate, colour: 'blue' });
      setTimeout(() => socket.end(), 50);
    };
    await serve(undefined, taken);
    expect(taken).toEqual([certificate]);
    expect(heard[0]).toEqual(hello);
  });

  it('says which side to update where no version is common', async () => {
    script = (_, say) => say({ ...hello, versions: [9] });
    await expect(serve()).rejects.toThrow('this agent speaks version 1 of the messages and the operator 9');
  });

  it('heeds a refusal', async () => {
    script = (_, say) =>
      say({ kind: 'refused', reason: 'expired', message: 'it ran out', retryAfterMs: 7000 });
    await expect(serve()).rejects.toMatchObject({
      reason: 'expired',
      message: 'it ran out',
      retryAfterMs: 7000,
    });
  });

  it('leaves a stream whose line is above 16 MiB, and one that is no JSON', async () => {
    script = (_, say) => say('x'.repeat(maxOperatorLineBytes + 1));
    await expect(serve()).rejects.toThrow('above 16777216 bytes');
    script = (_, say) => say('HTTP/1.1 400 Bad Request');
    await expect(serve()).rejects.toThrow('JSON');
  });

  it('reports on change only, and nothing before hello', async () => {
    let revision = 1;
    script = (socket, say) => {
      setTimeout(() => say(hello), 1200);
      setTimeout(() => (revision = 2), 4000);
      setTimeout(() => socket.end(), 6500);
    };
    const started = serve(() => report(revision));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(heard).toEqual([hello]);
    await started;
    expect(heard.slice(1)).toEqual([report(1), report(2)]);
  });

  it('gives a token to nobody but an operator that its anchors signed', async () => {
    const call = { csrPem: 'csr', token: 'secret-token', version: '0.1.0', signal, pin: undefined };
    const enrol = (trust = home.trust) =>
      callToEnrol({ ...call, trust, endpoint: { ip: '127.0.0.1', port } });
    await expect(enrol((await mintHome()).trust)).rejects.toThrow('no CA of ours');
    for (const impostor of [nuc, await home.client('cams/door')]) {
      server.close();
      await listen(impostor);
      await expect(enrol()).rejects.toMatchObject({ name: 'DialError' });
    }
    expect(JSON.stringify(heard)).not.toContain('secret-token');
  });
});
