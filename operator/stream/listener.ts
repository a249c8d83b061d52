/** The operator's one port for agents: enrolment without a certificate, and the stream with certificates on both sides. */
import { once } from 'node:events';
import { type Server as TcpServer, type Socket, createServer as createTcpServer } from 'node:net';
import { type Server as TlsServer, type TLSSocket, createServer as createTlsServer } from 'node:tls';
import type { AgentMessage, Enrol, EnrolmentReply } from '../../crds/operator-messages.ts';
import { verifyLeaf } from '../../protocol/certificates.ts';
import { encodePem } from '../../protocol/pem.ts';
import { type CertificateDropReason, type Leaf, type TrustSet } from '../../protocol/trust.ts';
import { Admission, handshakeSource } from '../../tls/admission.ts';
import type { Identity } from '../../tls/identity.ts';
import { tlsServerOptions, verifyPeer } from '../../tls/peers.ts';
import { EnrolmentBudget } from './enrolment-budget.ts';
import { serveEnrolment, type EnrolmentDropReason } from './enrolment-call.ts';
import { Session, refuse, type AgentSession, type SessionDropReason } from './session.ts';

export type { AgentSession } from './session.ts';

/** Why a connection or a line of one is not taken; counted by who listens. */
export type AgentDropReason =
  | 'too-many-waiting'
  | 'handshake-failed'
  | 'alpn-unknown'
  | 'role-wrong'
  | 'key-in-use'
  | CertificateDropReason
  | EnrolmentDropReason
  | SessionDropReason;

export interface AgentListenerOptions {
  readonly identity: () => Identity;
  readonly trust: () => TrustSet;
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  /** Of our program. */
  readonly version: string;
  /** May reject: the agent is told to come back later. @param address of who asks */
  readonly onEnrol: (request: Enrol, address: string) => Promise<EnrolmentReply>;
  /** A session begins; an older one of the same identity and key is closed after this. */
  readonly onSession: (session: AgentSession) => void;
  /** A report (without what is not its sender's to say) or a certificate request. */
  readonly onMessage: (session: AgentSession, message: AgentMessage) => void;
  readonly onClose: (session: AgentSession, reason: string) => void;
  /** Whether the camera (`namespace/name`) is assigned to the server called `holder`; without it every camera is. */
  readonly isAssigned?: (holder: string, camera: string) => boolean;
  readonly onDropped?: (dropped: {
    readonly reason: AgentDropReason;
    readonly detail: string;
    /** Address, for logs. */
    readonly from: string;
  }) => void;
}

export interface AgentListener {
  readonly port: number;
  /** Identity or trust set changed: for calls from now on, and live sessions are judged again. */
  refresh(): void;
  close(): Promise<void>;
}

const alpns = ['homing-stream/1', 'homing-enrol/1'];
const handshakeTimeoutMs = 5000;
/** Certificates run out while sessions live. */
const judgeAgainEveryMs = 3_600_000;
/** Until an older session with another key is gone: it is silent by then, or it lives. */
const keyInUseRetryMs = 35_000;

/** Listens; rejects where the port is taken. */
export async function openAgentListener(options: AgentListenerOptions): Promise<AgentListener> {
  const port = new AgentPort(options);
  await port.open();
  return port;
}

/** A TCP connection of which nothing was read. */
interface Unread {
  readonly socket: Socket;
  readonly source: string;
  readonly from: string;
}

class AgentPort implements AgentListener {
  readonly #options: AgentListenerOptions;
  readonly #tcp: TcpServer;
  readonly #tls: TlsServer;
  readonly #admission = new Admission<Unread>();
  readonly #budget = new EnrolmentBudget(performance.now());
  /** By address and port of the other side: a TLS socket does not tell which TCP socket it is made of. */
  readonly #turns = new Map<string, { readonly source: string; finish(): void }>();
  readonly #sockets = new Set<Socket>();
  /** Those whose hello has not come, too. */
  readonly #sessions = new Map<Session, TLSSocket>();
  /** By identifier. */
  readonly #current = new Map<string, Session>();
  readonly #judging: NodeJS.Timeout;

  constructor(options: AgentListenerOptions) {
    this.#options = options;
    this.#tcp = createTcpServer({ pauseOnConnect: true, noDelay: true });
    this.#tcp.on('connection', (socket) => this.#accept(socket));
    // This one never listens: it is handed the connections whose turn it is.
    this.#tls = createTlsServer({
      ...this.#tlsOptions(),
      ALPNProtocols: alpns,
      handshakeTimeout: handshakeTimeoutMs,
    });
    this.#tls.on('secureConnection', (socket) => this.#secured(socket));
    this.#tls.on('tlsClientError', (error, socket) => {
      this.#drop('handshake-failed', error.message, addressOf(socket));
      socket.destroy();
    });
    this.#judging = setInterval(() => this.#judgeAgain(), judgeAgainEveryMs);
    this.#judging.unref();
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

  refresh(): void {
    this.#tls.setSecureContext(this.#tlsOptions());
    this.#judgeAgain();
  }

  async close(): Promise<void> {
    clearInterval(this.#judging);
    const ended = [...this.#sessions.values()].map(async (socket) => once(socket, 'close'));
    for (const session of this.#sessions.keys()) session.close('stopped');
    this.#admission.clear();
    for (const socket of this.#sockets) socket.destroy();
    const closed = Promise.withResolvers<void>();
    this.#tcp.close(() => closed.resolve());
    await closed.promise;
    await Promise.all(ended);
  }

  /** Our CA stands beside our certificate: an agent that was only given its hash takes it from there. */
  #tlsOptions() {
    const { identity, trust } = this.#options;
    const [own, set] = [identity(), trust()];
    const options = tlsServerOptions(own, set);
    const verdict = verifyLeaf([own.certificateDer], set, Date.now());
    const anchor = verdict.ok
      ? set.anchors.find(({ sha256 }) => sha256 === verdict.value.anchorSha256)
      : undefined;
    if (anchor === undefined) return options;
    return { ...options, cert: `${own.certificatePem}${encodePem('CERTIFICATE', anchor.der)}` };
  }

  #judgeAgain(): void {
    for (const [session, socket] of this.#sessions) {
      const verdict = verifyPeer(socket, this.#options.trust(), Date.now());
      if (!verdict.ok) session.close(verdict.reason);
    }
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {
      // It closes by itself; whoever reads from it is told there.
    });
    if (socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const unread = { socket, source: handshakeSource(socket.remoteAddress), from: turnOf(socket) };
    const { start, refuse: refused } = this.#admission.offer(unread.source, unread);
    if (refused !== undefined) {
      this.#drop('too-many-waiting', 'waiting for a handshake: too many connections', refused.from);
      refused.socket.destroy();
    }
    for (const next of start) this.#startHandshake(next);
  }

  #startHandshake({ socket, source, from }: Unread): void {
    const finish = () => {
      if (!this.#turns.delete(from)) return;
      for (const next of this.#admission.finish(source)) this.#startHandshake(next);
    };
    this.#turns.set(from, { source, finish });
    socket.once('close', finish);
    if (socket.destroyed) setImmediate(finish);
    else this.#tls.emit('connection', socket);
  }

  #secured(socket: TLSSocket): void {
    socket.on('error', () => {
      // Its `close` says enough.
    });
    const turn = this.#turns.get(turnOf(socket));
    if (socket.alpnProtocol === 'homing-enrol/1') {
      // Its turn lasts as long as the call does: so many at once and no more.
      this.#enrol(socket, turn?.source ?? 'unknown');
      return;
    }
    turn?.finish();
    if (socket.alpnProtocol === 'homing-stream/1') this.#stream(socket);
    else {
      this.#drop('alpn-unknown', 'the connection names none of our protocols', addressOf(socket));
      socket.destroy();
    }
  }

  #enrol(socket: TLSSocket, source: string): void {
    const from = addressOf(socket);
    void serveEnrolment(socket, {
      mayAsk: this.#budget.take(source, performance.now()),
      answer: (request) => this.#options.onEnrol(request, from),
      onDropped: (reason, detail) => this.#drop(reason, detail, from),
    });
  }

  #stream(socket: TLSSocket): void {
    const verdict = verifyPeer(socket, this.#options.trust(), Date.now());
    if (!verdict.ok) this.#refuse(socket, verdict.reason, verdict.detail);
    else if (verdict.value.role === 'operator') {
      this.#refuse(socket, 'role-wrong', `a certificate of an operator opens the stream of an agent`);
    } else this.#open(socket, verdict.value);
  }

  #open(socket: TLSSocket, leaf: Leaf): void {
    const other = this.#current.get(leaf.id);
    if (other !== undefined && other.leaf.spkiSha256 !== leaf.spkiSha256) {
      const message = `another key of ${leaf.name} is connected`;
      this.#refuse(socket, 'key-in-use', message, keyInUseRetryMs);
      return;
    }
    const from = addressOf(socket);
    const { version, isAssigned = () => true, onMessage } = this.#options;
    const session = new Session({
      socket,
      leaf,
      version,
      isAssigned,
      onReady: () => this.#ready(session),
      onMessage,
      onDropped: (reason, detail) => this.#drop(reason, detail, from),
      onClose: (closed, reason) => {
        if (this.#current.get(leaf.id) === session) this.#current.delete(leaf.id);
        this.#options.onClose(closed, reason);
      },
    });
    this.#sessions.set(session, socket);
    socket.once('close', () => this.#sessions.delete(session));
  }

  #ready(session: Session): void {
    const before = this.#current.get(session.leaf.id);
    if (before !== undefined && before.leaf.spkiSha256 !== session.leaf.spkiSha256) {
      session.close('key-in-use');
      return;
    }
    this.#current.set(session.leaf.id, session);
    this.#options.onSession(session);
    before?.close('replaced');
  }

  /** An agent that is refused is told why: else it would try for ever with what will never be taken. */
  #refuse(socket: TLSSocket, reason: AgentDropReason, message: string, retryAfterMs?: number): void {
    this.#drop(reason, message, addressOf(socket));
    socket.resume();
    refuse(socket, reason, message, retryAfterMs);
  }

  #drop(reason: AgentDropReason, detail: string, from: string): void {
    this.#options.onDropped?.({ reason, detail, from });
  }
}

function turnOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** An IPv4 caller of a socket that takes both families is an IPv4 caller. */
function addressOf({ remoteAddress }: Socket): string {
  return remoteAddress?.replace(/^::ffff:/, '') ?? 'unknown';
}
