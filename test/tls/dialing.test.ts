/** Real handshakes: who is let in, by whom, and what Node alone would have said. */
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type Socket, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TLSSocket, connect, createServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type DialOptions, dialTls } from '../../tls/dialing.ts';
import { type Identity, loadIdentity, parseIdentity } from '../../tls/identity.ts';
import { tlsClientOptions, tlsServerOptions, verifyPeer } from '../../tls/peers.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import { isServerId } from '../../protocol/identifiers.ts';
import { oids } from '../../protocol/oids.ts';
import type { TrustSet } from '../../protocol/trust.ts';
import { trustOf } from '../support/certificates.ts';
import { type Minted, clientUri, dayMs, mintCa, mintLeaf, serverUri, trusting } from '../support/chains.ts';

const nowMs = Date.now();
const ca = mintCa();
const stranger = mintCa({ cn: 'Stranger CA' });
const intermediate = mintCa({ cn: 'Intermediate', by: ca });
const trust = trusting(ca);
const door = { uris: [clientUri], cn: 'default/door', purposes: [oids.clientAuth] };
const expired = { notBeforeMs: nowMs - 9 * dayMs, notAfterMs: nowMs - dayMs };
const future = { notBeforeMs: nowMs + dayMs, notAfterMs: nowMs + 9 * dayMs };
const pi = identityOf(mintLeaf(ca));
const camera = identityOf(mintLeaf(ca, door));

/** What a machine with these certificates would bring; it need not be good. */
function identityOf(leaf: Minted, ...more: readonly Minted[]): Identity {
  const keyPem = leaf.key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const good = parseIdentity({ certificatePem: leaf.pem, keyPem });
  return { ...good, certificatePem: [leaf, ...more].map(({ pem }) => pem).join('') };
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function keepQuiet<Kind extends Socket>(socket: Kind): Kind {
  socket.on('error', () => {});
  closers.push(() => socket.destroy());
  return socket;
}

interface Listening {
  readonly endpoint: Endpoint;
  readonly accepted: Promise<TLSSocket>;
}

async function listen(identity: Identity, anchors: TrustSet = trust, alpn = 'hosp/1'): Promise<Listening> {
  const server = createServer({ ...tlsServerOptions(identity, anchors), ALPNProtocols: [alpn] });
  const { promise: accepted, resolve } = Promise.withResolvers<TLSSocket>();
  server.on('secureConnection', (socket) => resolve(keepQuiet(socket)));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  return { accepted, endpoint: endpointOf(server.address()) };
}

function endpointOf(address: ReturnType<ReturnType<typeof createServer>['address']>): Endpoint {
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { ip: '127.0.0.1', port: address.port };
}

async function dial(endpoint: Endpoint, changes: Partial<DialOptions> = {}) {
  const { signal } = new AbortController();
  const options = {
    endpoint,
    identity: camera,
    trust,
    alpn: 'hosp/1',
    signal,
    timeoutMs: 5000,
    ...changes,
  } as const;
  const dialed = await dialTls(options);
  keepQuiet(dialed.socket);
  return dialed;
}

/** The server's socket of a call by somebody who does not look at the server. */
async function accept(identity: Identity, anchors: TrustSet = trust): Promise<TLSSocket> {
  const { endpoint, accepted } = await listen(pi, anchors);
  const options = { ...tlsClientOptions(identity, trust), host: endpoint.ip, port: endpoint.port };
  keepQuiet(connect({ ...options, ALPNProtocols: ['hosp/1'] }));
  return accepted;
}

describe('a call', () => {
  it('gives each side the other one’s leaf', async () => {
    const { endpoint, accepted } = await listen(pi);
    const { leaf } = await dial(endpoint);
    expect(leaf).toMatchObject({ role: 'server', name: 'pi', id: serverUri });
    const verdict = verifyPeer(await accepted, trust, nowMs);
    expect(verdict).toMatchObject({
      ok: true,
      value: { role: 'client', name: 'default/door', id: clientUri },
    });
  });

  it('is judged by its caller again and again, and refused once its server is denied', async () => {
    const { endpoint } = await listen(pi);
    const { socket } = await dial(endpoint);
    for (let look = 0; look < 3; look += 1) {
      expect(verifyPeer(socket, trust, nowMs)).toMatchObject({ ok: true, value: { name: 'pi' } });
    }
    const denying = trustOf(ca.pem, `sha256:${pi.leaf.spkiSha256}`);
    expect(verifyPeer(socket, denying, nowMs)).toMatchObject({ ok: false, reason: 'denied' });
    expect(verifyPeer(socket, trusting(stranger), nowMs)).toMatchObject({ ok: false, reason: 'unknown-ca' });
  });

  it('is of TLS 1.3, and never a resumed one', async () => {
    const { endpoint } = await listen(pi);
    const first = await dial(endpoint);
    const sessions: Buffer[] = [];
    first.socket.on('session', (session) => sessions.push(session));
    first.socket.resume();
    expect(first.socket.getProtocol()).toBe('TLSv1.3');
    await once(first.socket.end(), 'close');
    const session = sessions[0] ?? first.socket.getSession();
    const options = { ...tlsClientOptions(camera, trust), host: endpoint.ip, port: endpoint.port };
    const second = keepQuiet(connect({ ...options, ALPNProtocols: ['hosp/1'], ...(session && { session }) }));
    await once(second, 'secureConnect');
    expect(second.isSessionReused()).toBe(false);
    expect(second.getPeerX509Certificate()).toBeDefined();
  });

  it('with TLS 1.2 is not answered', async () => {
    const { endpoint } = await listen(pi);
    const { ip: host, port } = endpoint;
    const socket = connect({
      host,
      port,
      maxVersion: 'TLSv1.2',
      minVersion: 'TLSv1.2',
      rejectUnauthorized: false,
    });
    closers.push(() => socket.destroy());
    await expect(once(socket, 'secureConnect')).rejects.toThrow(/protocol version/);
  });
});

describe('a client calling', () => {
  it.each([
    { what: 'a camera that plays a server', server: camera, reason: 'role-wrong' },
    { what: 'a server of another CA', server: identityOf(mintLeaf(stranger)), reason: 'unknown-ca' },
    {
      what: 'a server whose certificate expired',
      server: identityOf(mintLeaf(ca, {}, expired)),
      reason: 'expired',
    },
    {
      what: 'one of another CA with a wrong date',
      server: identityOf(mintLeaf(stranger, {}, expired)),
      reason: 'unknown-ca',
    },
    {
      what: 'a server below an intermediate',
      server: identityOf(mintLeaf(intermediate), intermediate),
      reason: 'intermediate',
    },
    {
      what: 'a server below an intermediate that it hides',
      server: identityOf(mintLeaf(intermediate)),
      reason: 'unknown-ca',
    },
  ])('$what hangs up: $reason', async ({ server, reason }) => {
    const { endpoint } = await listen(server);
    await expect(dial(endpoint)).rejects.toMatchObject({ name: 'DialError', reason, isUntrusted: true });
  });

  it('a server that is not the wanted one hangs up', async () => {
    const { endpoint } = await listen(pi);
    const other = 'hcsp:gc3YWhxMRQGVbboYIEgxwA';
    if (!isServerId(other)) throw new Error(other);
    await expect(dial(endpoint, { expectId: other })).rejects.toMatchObject({ reason: 'not-expected' });
  });

  it('a server that speaks something else hangs up', async () => {
    const { endpoint } = await listen(pi, trust, 'http/1.1');
    await expect(dial(endpoint)).rejects.toMatchObject({ name: 'DialError' });
  });

  it('a server from tomorrow stays: its own clock may be behind', async () => {
    const { endpoint } = await listen(identityOf(mintLeaf(ca, {}, future)));
    expect((await dial(endpoint)).leaf.name).toBe('pi');
  });

  it('a denied server hangs up', async () => {
    const { endpoint } = await listen(pi);
    const denying = trustOf(ca.pem, `sha256:${pi.leaf.spkiSha256}`);
    await expect(dial(endpoint, { trust: denying })).rejects.toMatchObject({ reason: 'denied' });
  });

  it('nobody is told so', async () => {
    const { endpoint } = await listen(pi);
    await expect(dial({ ...endpoint, port: 1 })).rejects.toMatchObject({
      reason: 'unreachable',
      isUntrusted: false,
    });
  });

  it('a machine that never answers gives up in time', async () => {
    const silent = createTcpServer((socket) => void keepQuiet(socket));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    closers.push(() => silent.close());
    const endpoint = endpointOf(silent.address());
    await expect(dial(endpoint, { timeoutMs: 50 })).rejects.toMatchObject({ reason: 'timeout' });
    const controller = new AbortController();
    const dialing = dial(endpoint, { signal: controller.signal });
    controller.abort();
    await expect(dialing).rejects.toMatchObject({ reason: 'unreachable' });
  });
});

describe('a server called by', () => {
  it.each([
    {
      what: 'a client of another CA',
      client: identityOf(mintLeaf(stranger, door)),
      reason: 'unknown-ca',
      node: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    },
    {
      what: 'a client whose certificate expired',
      client: identityOf(mintLeaf(ca, door, expired)),
      reason: 'expired',
      node: 'CERT_HAS_EXPIRED',
    },
    {
      what: 'one of another CA with a wrong date',
      client: identityOf(mintLeaf(stranger, door, expired)),
      reason: 'unknown-ca',
      node: 'CERT_HAS_EXPIRED',
    },
    {
      what: 'a client below an intermediate',
      client: identityOf(mintLeaf(intermediate, door), intermediate),
      reason: 'unknown-ca',
      node: null,
    },
  ])('$what refuses it: $reason', async ({ client, reason, node }) => {
    const socket = await accept(client);
    expect(socket.authorizationError).toBe(node);
    expect(verifyPeer(socket, trust, nowMs)).toMatchObject({ ok: false, reason });
  });

  it('somebody without a certificate refuses it', async () => {
    const { endpoint, accepted } = await listen(pi);
    keepQuiet(
      connect({
        host: endpoint.ip,
        port: endpoint.port,
        ALPNProtocols: ['hosp/1'],
        rejectUnauthorized: false,
      }),
    );
    expect(verifyPeer(await accepted, trust, nowMs)).toMatchObject({ ok: false, reason: 'no-certificate' });
  });

  it('a client from tomorrow takes it', async () => {
    const socket = await accept(identityOf(mintLeaf(ca, door, future)));
    expect(socket.authorizationError).toBe('CERT_NOT_YET_VALID');
    expect(verifyPeer(socket, trust, nowMs)).toMatchObject({ ok: true });
  });

  it('a client that only OpenSSL finds wrong refuses it', async () => {
    const socket = await accept(camera, trusting(stranger));
    expect(verifyPeer(socket, trust, nowMs)).toMatchObject({ ok: false, reason: 'second-opinion' });
  });

  it('a client that is denied later refuses it on the live connection', async () => {
    const socket = await accept(camera);
    expect(verifyPeer(socket, trust, nowMs).ok).toBe(true);
    const denying = trustOf(ca.pem, `sha256:${camera.leaf.spkiSha256}`);
    expect(verifyPeer(socket, denying, nowMs)).toMatchObject({ ok: false, reason: 'denied' });
    expect(verifyPeer(socket, trusting(stranger), nowMs)).toMatchObject({ ok: false, reason: 'unknown-ca' });
    expect(verifyPeer(socket, trust, nowMs + 60 * dayMs)).toMatchObject({ reason: 'ca-expired' });
  });
});

describe('the certificate of this machine', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'homing-tls-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function load(certificatePem: string, keyPem: string, mode = 0o600): Promise<Identity> {
    const [cert, key] = [path.join(folder, 'pi.crt'), path.join(folder, 'pi.key')];
    await writeFile(cert, certificatePem);
    await writeFile(key, keyPem);
    await chmod(key, mode);
    return loadIdentity(cert, key);
  }

  it('is read with its key', async () => {
    const { leaf } = await load(pi.certificatePem, pi.keyPem);
    expect(leaf).toMatchObject({ name: 'pi', id: serverUri, role: 'server' });
  });

  it.each([
    {
      what: 'another one’s key',
      certificate: pi.certificatePem,
      key: camera.keyPem,
      message: /pi\.key: is not the key/,
    },
    {
      what: 'no key',
      certificate: pi.certificatePem,
      key: 'hello',
      message: /pi\.key: must hold a private key/,
    },
    {
      what: 'two certificates',
      certificate: pi.certificatePem + ca.pem,
      key: pi.keyPem,
      message: /pi\.crt: must hold exactly one/,
    },
    { what: 'a CA', certificate: ca.pem, key: pi.keyPem, message: /leaf-is-ca/ },
    {
      what: 'no certificate',
      certificate: 'hello',
      key: pi.keyPem,
      message: /pi\.crt: must hold exactly one/,
    },
  ])('is refused with $what', async ({ certificate, key, message }) => {
    await expect(load(certificate, key)).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(message),
    });
  });

  it('is refused where others can read the key, or a file is missing', async () => {
    await expect(load(pi.certificatePem, pi.keyPem, 0o644)).rejects.toThrow(
      /others can read this key: chmod 600/,
    );
    await expect(loadIdentity(path.join(folder, 'none.crt'), path.join(folder, 'pi.key'))).rejects.toThrow(
      /none\.crt: cannot be read/,
    );
  });
});
