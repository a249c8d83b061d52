/** A server that takes every client that its CA signed, keeps bytes in memory, and redirects when the test says so. */
import type { Socket } from 'node:net';
import { openListener, type Listener } from '../../agent/server/listener.ts';
import { ClientSession } from '../../agent/server/sessions.ts';
import type { Identity } from '../../tls/identity.ts';
import type { Bye, Refused, Redirect, ServerReference } from '../../protocol/documents.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import { type ServerId, everyClient, isServerId } from '../../protocol/identifiers.ts';
import type { TrustSet } from '../../protocol/trust.ts';
import { settableTrust } from './live-trust.ts';
import { type MemorySink, openMemorySink } from './memory-sink.ts';

export interface TakingServer {
  readonly id: ServerId;
  readonly endpoint: Endpoint;
  readonly reference: ServerReference;
  readonly sink: MemorySink;
  readonly refusals: readonly Refused[];
  /** Sessions that were welcomed and are not gone. */
  readonly sessions: ReadonlySet<ClientSession>;
  /** Answers hello with this from now on, or welcomes again. */
  refuseWith(reason: Bye['reason'] | undefined): void;
  redirect(target: ServerReference, why: Redirect['why']): void;
  tellPeers(servers: readonly ServerReference[]): void;
  bye(reason: Bye['reason'], term?: number): void;
  /** Says what our code never would. */
  sayRaw(line: string): void;
  /** As a crash: every connection is reset, the port is closed. */
  crash(): void;
  close(): Promise<void>;
}

export async function openTakingServer(
  identity: Identity,
  trust: TrustSet,
  options: { readonly sync?: 'always' | 'onCommit' | 'never' } = {},
): Promise<TakingServer> {
  const server = new MemoryServer(identity, options.sync ?? 'always');
  await server.open(identity, trust);
  return server;
}

class MemoryServer implements TakingServer {
  readonly id: ServerId;
  readonly sink: MemorySink;
  readonly refusals: Refused[] = [];
  readonly sessions = new Set<ClientSession>();
  readonly #all = new Set<ClientSession>();
  readonly #sockets = new Set<Socket>();
  #listener: Listener | undefined;
  #refusal: Bye['reason'] | undefined;

  constructor({ leaf }: Identity, sync: 'always' | 'onCommit' | 'never') {
    if (!isServerId(leaf.id)) throw new Error('not a server');
    this.id = leaf.id;
    this.sink = openMemorySink(
      {
        onDurable: (stream) => {
          for (const session of this.#all) if (session.durableRose(stream)) return;
        },
      },
      { sync },
    );
  }

  async open(identity: Identity, trust: TrustSet): Promise<void> {
    this.#listener = await openListener({
      port: 0,
      host: '127.0.0.1',
      identity,
      trust: settableTrust(trust),
      onDropped: () => {},
      onConnection: ({ socket, leaf }) => {
        this.#sockets.add(socket);
        this.#all.add(
          new ClientSession({
            socket,
            leaf,
            serverId: this.id,
            owner: {
              onHello: (session) => this.#hello(session),
              onRefused: (_, refused) => this.refusals.push(refused),
              onBegun: () => {},
              onEnded: () => {},
              onGone: (session) => this.sessions.delete(session),
            },
          }),
        );
      },
    });
  }

  get endpoint(): Endpoint {
    return { ip: '127.0.0.1', port: this.#listener?.port ?? 0 };
  }

  get reference(): ServerReference {
    return { id: this.id, address: this.endpoint };
  }

  #hello(session: ClientSession): void {
    if (this.#refusal !== undefined) {
      session.bye(this.#refusal);
      return;
    }
    this.sessions.add(session);
    session.welcome([this.sink]);
  }

  refuseWith(reason: Bye['reason'] | undefined): void {
    this.#refusal = reason;
  }

  redirect(target: ServerReference, why: Redirect['why']): void {
    for (const session of this.sessions) {
      session.say({ kind: 'redirect', to: everyClient, from: this.id, target, features: [], also: [], why });
    }
  }

  tellPeers(servers: readonly ServerReference[]): void {
    for (const session of this.sessions) session.tellPeers(servers);
  }

  bye(reason: Bye['reason'], term?: number): void {
    for (const session of this.sessions) session.bye(reason, term);
  }

  sayRaw(line: string): void {
    for (const socket of this.#sockets) socket.write(`${line}\n`);
  }

  crash(): void {
    this.#listener?.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.crash();
    await Promise.all([...this.#all].map(({ closed }) => closed));
  }
}
