import { once } from 'node:events';
import { type TLSSocket, createServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { type Identity, dialTls, tlsServerOptions, verifyPeer } from '../../agent/tls.ts';
import type { TrustSet } from '../../protocol/trust.ts';
import { mintHome } from '../support/certificates.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Listens on loopback and keeps what it accepts. */
async function listen(identity: Identity, trust: TrustSet) {
  const accepted: TLSSocket[] = [];
  const server = createServer({ ...tlsServerOptions(identity, trust), ALPNProtocols: ['hosp/1'] });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {});
    accepted.push(socket);
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.close();
    for (const socket of accepted) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { accepted, server, endpoint: { ip: '127.0.0.1', port: address.port } };
}

describe('a call over TLS', () => {
  it('gives both sides the other one’s leaf', async () => {
    const home = await mintHome();
    const [pi, door] = await Promise.all([home.server('pi'), home.client('default/door')]);
    const { accepted, server, endpoint } = await listen(pi, home.trust);
    const { signal } = new AbortController();
    const connected = once(server, 'secureConnection');
    const dialed = await dialTls({
      endpoint,
      identity: door,
      trust: home.trust,
      alpn: 'hosp/1',
      signal,
      timeoutMs: 5000,
    });
    closers.push(() => dialed.socket.destroy());
    await connected;
    expect(dialed.leaf).toMatchObject({ role: 'server', name: 'pi', id: pi.leaf.id });
    const [socket] = accepted;
    const verdict = socket === undefined ? undefined : verifyPeer(socket, home.trust, Date.now());
    expect(verdict).toMatchObject({
      ok: true,
      value: { role: 'client', name: 'default/door', id: door.leaf.id },
    });
  });
});
