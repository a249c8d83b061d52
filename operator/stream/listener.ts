/** The operator's one port for agents: enrolment without a certificate, and the stream with certificates on both sides. */
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket, type Server } from 'node:tls';
import {
  agentMessage,
  enrol,
  maxAgentLineBytes,
  maxEnrolmentBytes,
  messageVersions,
  pingEveryMs,
  type AgentMessage,
  type Enrol,
  type EnrolmentReply,
  type OperatorMessage,
} from '../../crds/operator-messages.ts';
import { LineReader } from '../../protocol/lines.ts';
import type { Leaf, TrustSet } from '../../protocol/trust.ts';
import type { Identity } from '../../tls/identity.ts';
import { tlsServerOptions, verifyPeer } from '../../tls/peers.ts';

export interface AgentSession {
  readonly leaf: Leaf;
  /** Of its program. */
  readonly version: string;
  send(message: OperatorMessage): void;
  close(reason: string): void;
}

export interface AgentListenerOptions {
  readonly identity: () => Identity;
  readonly trust: () => TrustSet;
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  readonly version: string;
  readonly onEnrol: (request: Enrol, address: string) => Promise<EnrolmentReply>;
  readonly onSession: (session: AgentSession) => void;
  readonly onMessage: (session: AgentSession, message: AgentMessage) => void;
  readonly onClose: (session: AgentSession, reason: string) => void;
}

export interface AgentListener {
  readonly port: number;
  /** Identity or trust set changed: for calls from now on, and live sessions are judged again. */
  refresh(): void;
  close(): Promise<void>;
}

const firstLineMs = 10_000;

/** Listens; rejects where the port is taken. */
export async function openAgentListener(options: AgentListenerOptions): Promise<AgentListener> {
  const sockets = new Map<TLSSocket, Session | undefined>();
  const server: Server = createServer(
    {
      ...tlsServerOptions(options.identity(), options.trust()),
      ALPNProtocols: ['homing-stream/1', 'homing-enrol/1'],
    },
    (socket) => {
      sockets.set(socket, undefined);
      socket.on('error', () => {});
      socket.once('close', () => sockets.delete(socket));
      if (socket.alpnProtocol === 'homing-enrol/1') void serveEnrolment(socket, options);
      else if (socket.alpnProtocol === 'homing-stream/1') sockets.set(socket, serveStream(socket, options));
      else socket.destroy();
    },
  );
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(options.port, options.host, resolve);
  await promise;
  const address = server.address();
  return {
    port: isNetworkAddress(address) ? address.port : 0,
    refresh() {
      server.setSecureContext(tlsServerOptions(options.identity(), options.trust()));
      for (const [socket, session] of sockets) {
        const verdict = verifyPeer(socket, options.trust(), Date.now());
        if (session !== undefined && !verdict.ok) session.close(verdict.reason);
      }
    },
    async close() {
      for (const socket of sockets.keys()) socket.destroy();
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

async function serveEnrolment(socket: TLSSocket, options: AgentListenerOptions): Promise<void> {
  socket.setTimeout(firstLineMs, () => socket.destroy());
  const reader = new LineReader(maxEnrolmentBytes);
  for await (const chunk of socket) {
    reader.push(chunk);
    const line = reader.next();
    if (line === undefined) continue;
    const request = line.ok ? enrol.safeParse(parseJson(line.value)).data : undefined;
    if (request === undefined) break;
    const reply = await options.onEnrol(request, socket.remoteAddress ?? '');
    socket.end(`${JSON.stringify(reply)}\n`);
    return;
  }
  socket.destroy();
}

function serveStream(socket: TLSSocket, options: AgentListenerOptions): Session | undefined {
  const verdict = verifyPeer(socket, options.trust(), Date.now());
  if (verdict.ok) return new Session(socket, verdict.value, options);
  socket.destroy();
  return undefined;
}

class Session implements AgentSession {
  readonly leaf: Leaf;
  version = '';
  readonly #socket: TLSSocket;
  readonly #options: AgentListenerOptions;
  readonly #reader = new LineReader(maxAgentLineBytes);
  readonly #pings: NodeJS.Timeout;
  #hasHello = false;
  #reason = 'closed';

  constructor(socket: TLSSocket, leaf: Leaf, options: AgentListenerOptions) {
    this.#socket = socket;
    this.leaf = leaf;
    this.#options = options;
    this.send({ kind: 'hello', versions: [...messageVersions], version: options.version });
    this.#pings = setInterval(() => this.send({ kind: 'ping' }), pingEveryMs);
    socket.setTimeout(pingEveryMs * 3, () => this.close('silent'));
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.once('close', () => {
      clearInterval(this.#pings);
      if (this.#hasHello) options.onClose(this, this.#reason);
    });
  }

  send(message: OperatorMessage): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  close(reason: string): void {
    this.#reason = reason;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#reader.push(chunk);
    for (let line = this.#reader.next(); line !== undefined; line = this.#reader.next()) {
      if (!line.ok) {
        this.close(line.reason);
        return;
      }
      const message = agentMessage.safeParse(parseJson(line.value)).data;
      if (message !== undefined) this.#handle(message);
    }
  }

  #handle(message: AgentMessage): void {
    if (message.kind === 'hello') {
      this.version = message.version;
      this.#hasHello = true;
      this.#options.onSession(this);
    } else if (this.#hasHello) this.#options.onMessage(this, message);
  }
}

/** Lines come one character a byte. */
function parseJson(line: string): unknown {
  try {
    return JSON.parse(Buffer.from(line, 'latin1').toString('utf8'));
  } catch {
    return undefined;
  }
}

function isNetworkAddress(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}
