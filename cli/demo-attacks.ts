/** What an attacker on the network does in the demo: keeps an announcement to replay it, and listens where its server was. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createServer } from 'node:tls';
import { type Multicast, openMulticast } from '../agent/server/multicast.ts';
import { verifyAnnouncement } from '../protocol/announcements.ts';
import { type TrustSet, parseTrust } from '../protocol/trust.ts';
import type { DemoHome, DemoServer } from './demo-home.ts';

/** Hears the home's announcements and can say them again. */
export interface Replayer {
  /** Sends the last announcement of that server again; false where none was heard. */
  replay(server: string): boolean;
  close(): Promise<void>;
}

export async function openReplayer(home: DemoHome): Promise<Replayer> {
  const trust = await readTrust(home.trust);
  const heard = new Map<string, Uint8Array>();
  const multicast: Multicast = await openMulticast({
    interfaces: ['lo'],
    excludeInterfaces: [],
    onDatagram(bytes) {
      const verdict = verifyAnnouncement(bytes, trust, Date.now());
      if (verdict.ok && verdict.value.subscribe.max > 0) heard.set(verdict.value.leaf.name, bytes);
    },
  });
  return {
    replay(server) {
      const message = heard.get(server);
      if (message !== undefined) multicast.send(() => message);
      return message !== undefined;
    },
    close: () => multicast.close(),
  };
}

/** Somebody with a certificate of another CA, where a server of ours used to be. */
export interface Stranger {
  /** Calls that came, and bytes that callers said after the handshake: cameras must say none. */
  readonly calls: number;
  readonly bytesHeard: number;
  close(): Promise<void>;
}

export async function openStranger(home: DemoHome, at: DemoServer): Promise<Stranger> {
  const certificate = path.join(home.directory, 'certs', home.impostor.name);
  let calls = 0;
  let bytesHeard = 0;
  const [cert, key] = await Promise.all([readFile(`${certificate}.crt`), readFile(`${certificate}.key`)]);
  const server = createServer({ cert, key, minVersion: 'TLSv1.3', ALPNProtocols: ['hosp/1', 'hosp-peer/1'] });
  server.on('connection', (socket) => {
    calls += 1;
    socket.on('error', () => {});
  });
  server.on('secureConnection', (socket) => {
    socket.on('data', (bytes) => (bytesHeard += bytes.length));
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, '127.0.0.1', resolve);
  });
  return {
    get calls() {
      return calls;
    },
    get bytesHeard() {
      return bytesHeard;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}

async function readTrust(file: string): Promise<TrustSet> {
  const trust = parseTrust({ anchorsPem: await readFile(file, 'utf8'), denyText: '' });
  if (!trust.ok) throw new Error(`reading ${file}: ${trust.detail}`);
  return trust.value;
}
