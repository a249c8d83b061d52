/** The one TCP port: TLS 1.3 with certificates on both sides, told apart by ALPN, verified before a byte is read. */
import { once } from 'node:events';
import { type Server as TcpServer, type Socket, createServer as createTcpServer } from 'node:net';
import { type Server as TlsServer, type TLSSocket, createServer as createTlsServer } from 'node:tls';
import { LeafCache } from '../../protocol/certificates.ts';
import { formatEndpoint } from '../../protocol/endpoints.ts';
import { type Result, bad, good, quote } from '../../protocol/result.ts';
import type { CertificateDropReason, Leaf, Role } from '../../protocol/trust.ts';
import type { Identity } from '../../tls/identity.ts';
import { tlsServerOptions, verifyPeer } from '../../tls/peers.ts';
import type { LiveTrust } from '../trust-directory.ts';
import { Admission, handshakeSource } from '../../tls/admission.ts';

/** What a connection is for, as its ALPN says, and the role that its certificate must have for that. */
const roles = { 'hosp/1': 'client', 'hosp-peer/1': 'server' } as const satisfies Record<string, Role>;

type SessionProtocol = keyof typeof roles;

/** Why a connection is closed before anything of it was read. */
export const connectionDropReasons = [
  'too-many-waiting',
  'handshake-failed',
  'alpn-unknown',
  'role-wrong',
  'too-many-of-one',
] as const;

type ConnectionDropReason = (typeof connectionDropReasons)[number] | CertificateDropReason;

/** A verified connection of which nothing has been read yet. */
export interface Incoming {
  readonly socket: TLSSocket;
  readonly leaf: Leaf;
  readonly protocol: SessionProtocol;
  /** Address and port, for logs only. */
  readonly from: string;
}

export interface ListenerOptions {
  /** 0 is any free one. */
  readonly port: number;
  /** All addresses unless given. */
  readonly host?: string;
  readonly identity: Identity;
  readonly trust: LiveTrust;
  /** Must not throw. */
  onConnection(incoming: Incoming): void;
  onDropped(dropped: {
    readonly reason: ConnectionDropReason;
    readonly detail: string;
    readonly from: string;
  }): void;
}

export interface Listener {
  readonly port: number;
  /** New connections see this certificate from now on. */
  setIdentity(identity: Identity): void;
  /** Accepts no more and closes what is not yet verified; the owner of the verified ones closes them. */
  close(): void;
}

/** From the first byte of TLS to its last. */
const handshakeTimeoutMs = 5000;
/** A client needs two during a handover and one a stream; more of one certificate are a fault or an attack. */
const maxConnectionsOfOneLeaf = 24;

/** Listens; rejects where the port cannot be had. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const listener = new TlsListener(options);
  await listener.open();
  return listener;
}

/** A TCP connection of which nothing was read. */
interface Unread {
  readonly socket: Socket;
  readonly source: string;
  readonly from: string;
}

class TlsListener implements Listener {
  readonly #options: ListenerOptions;
  readonly #tcp: TcpServer;
  readonly #tls: TlsServer;
  readonly #admission = new Admission<Unread>();
  /** By address and port of the other side: a TLS socket does not tell which TCP socket it is made of. */
  readonly #handshakes = new Map<string, { readonly socket: Socket; finish(): void }>();
  /** A client or peer that comes back is known. */
  readonly #leafs = new LeafCache();
  readonly #connectionsByLeaf = new Map<string, number>();

  readonly #stopWatching: () => void;
  #identity: Identity;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#stopWatching = options.trust.onChange(() => this.setIdentity(this.#identity));
    this.#tcp = createTcpServer({ pauseOnConnect: true, noDelay: true });
    this.#tcp.on('connection', (socket) => this.#accept(socket));
    // This one never listens: it is handed the connections whose turn it is.
    this.#tls = createTlsServer({
      ...tlsServerOptions(options.identity, options.trust.current),
      ALPNProtocols: Object.keys(roles),
      handshakeTimeout: handshakeTimeoutMs,
    });
    this.#tls.on('secureConnection', (socket) => this.#secured(socket));
    this.#tls.on('tlsClientError', (error, socket) => {
      this.#drop('handshake-failed', error.message, peerOf(socket));
      socket.destroy();
    });
  }

  get port(): number {
    const address = this.#tcp.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async open(): Promise<void> {
    const { port, host } = this.#options;
    this.#tcp.listen(host === undefined ? { port } : { port, host });
    await once(this.#tcp, 'listening');
    this.#tcp.on('error', (error) => this.#drop('handshake-failed', error.message, 'this machine'));
  }

  setIdentity(identity: Identity): void {
    this.#identity = identity;
    this.#tls.setSecureContext(tlsServerOptions(identity, this.#options.trust.current));
  }

  close(): void {
    this.#stopWatching();
    this.#tcp.close();
    for (const { socket } of this.#admission.clear()) socket.destroy();
    for (const { socket } of this.#handshakes.values()) socket.destroy();
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {
      // It closes by itself; whoever reads from it is told there.
    });
    if (socket.remoteAddress === undefined) {
      // Gone before we looked, and nameless: it must not share a name with another one.
      socket.destroy();
      return;
    }
    const from = peerOf(socket);
    const unread = { socket, source: handshakeSource(socket.remoteAddress), from };
    const { start, refuse } = this.#admission.offer(unread.source, unread);
    if (refuse !== undefined) {
      this.#drop('too-many-waiting', 'waiting for a handshake: too many connections', refuse.from);
      refuse.socket.destroy();
    }
    for (const next of start) this.#startHandshake(next);
  }

  #startHandshake({ socket, source, from }: Unread): void {
    const finish = () => {
      if (!this.#handshakes.delete(from)) return;
      for (const next of this.#admission.finish(source)) this.#startHandshake(next);
    };
    this.#handshakes.set(from, { socket, finish });
    socket.once('close', finish);
    if (socket.destroyed) setImmediate(finish);
    else this.#tls.emit('connection', socket);
  }

  #secured(socket: TLSSocket): void {
    const from = peerOf(socket);
    socket.on('error', () => {
      // Its `close` says enough.
    });
    this.#handshakes.get(from)?.finish();
    // Without it the last ack is lost when the client's FIN comes first, and no error says so. Not before the handshake has
    // ended: there a FIN must close.
    socket.allowHalfOpen = true;
    const judged = this.#judge(socket);
    if (judged.ok) this.#options.onConnection({ socket, from, ...judged.value });
    else {
      this.#drop(judged.reason, judged.detail, from);
      socket.destroy();
    }
  }

  /** Before any byte is read: the certificate, what the connection is for, and how many of the same there are. */
  #judge(socket: TLSSocket): Result<Pick<Incoming, 'leaf' | 'protocol'>, ConnectionDropReason> {
    const verdict = verifyPeer(socket, this.#options.trust.current, Date.now(), this.#leafs);
    if (!verdict.ok) return verdict;
    const leaf = verdict.value;
    const protocol = socket.alpnProtocol;
    if (!isSessionProtocol(protocol))
      return bad('alpn-unknown', 'the connection names none of our protocols');
    if (leaf.role !== roles[protocol]) {
      return bad('role-wrong', `a certificate of a ${leaf.role} opens ${quote(protocol)}`);
    }
    return this.#count(socket, leaf)
      ? good({ leaf, protocol })
      : bad('too-many-of-one', `more than ${maxConnectionsOfOneLeaf} connections of ${leaf.id}`);
  }

  #count(socket: TLSSocket, { spkiSha256 }: Leaf): boolean {
    const count = this.#connectionsByLeaf.get(spkiSha256) ?? 0;
    if (count >= maxConnectionsOfOneLeaf) return false;
    this.#connectionsByLeaf.set(spkiSha256, count + 1);
    socket.once('close', () => {
      const left = (this.#connectionsByLeaf.get(spkiSha256) ?? 1) - 1;
      if (left === 0) this.#connectionsByLeaf.delete(spkiSha256);
      else this.#connectionsByLeaf.set(spkiSha256, left);
    });
    return true;
  }

  #drop(reason: ConnectionDropReason, detail: string, from: string): void {
    this.#options.onDropped({ reason, detail, from });
  }
}

function isSessionProtocol(alpn: string | false | null): alpn is SessionProtocol {
  return typeof alpn === 'string' && Object.hasOwn(roles, alpn);
}

/** An IPv4 caller of a socket that takes both families is an IPv4 caller. */
function peerOf({ remoteAddress, remotePort = 0 }: Socket): string {
  if (remoteAddress === undefined) return 'unknown';
  return formatEndpoint({ ip: remoteAddress.replace(/^::ffff:/, ''), port: remotePort });
}
