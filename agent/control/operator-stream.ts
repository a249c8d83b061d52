/** The agent's side of the operator's stream: enrols, keeps it for ever, and hands on what comes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readFile } from 'node:fs/promises';
import type { TLSSocket } from 'node:tls';
import type { AgentMessage, OperatorMessage, Report, Snapshot } from '../../crds/operator-messages.ts';
import { type Endpoint, formatEndpoint } from '../../protocol/endpoints.ts';
import { fingerprintOf } from '../../protocol/certificate-requests.ts';
import { DialError } from '../../tls/dialing.ts';
import type { Identity } from '../../tls/identity.ts';
import type { EmitEvent } from '../events.ts';
import { backOffMs } from './operator-backoff.ts';
import { callForStream, callToEnrol } from './operator-calls.ts';
import type { OperatorCertificates } from './operator-certificates.ts';
import type { OperatorFiles } from './operator-files.ts';
import { listPlaces, type OperatorAddress } from './operator-places.ts';
import { OperatorRefusal, serveOperator } from './operator-session.ts';
import type { OperatorTrust } from './operator-trust.ts';

/** Whom it believes before it has enrolled. */
export type OperatorCa = { readonly file: string } | { readonly pin: string };

export interface OperatorStreamOptions {
  readonly address: OperatorAddress;
  readonly ca: OperatorCa;
  /** The server's, or the native client's `namespace/name`, where it is known; else the operator says it. */
  readonly name: string;
  /** What its resource is, for advice: where the key must be pinned. */
  readonly pinnedIn: string;
  readonly files: OperatorFiles;
  readonly certificates: OperatorCertificates;
  readonly trust: OperatorTrust;
  readonly tokenFile?: string;
  readonly version: string;
  readonly report: () => Promise<Report>;
  /** After its trust set was taken. */
  readonly onSnapshot: (snapshot: Snapshot, send: (message: AgentMessage) => void) => Promise<void>;
  /** A certificate of ours was stored. */
  readonly onCertificate: (name: string) => Promise<void>;
  readonly emit: EmitEvent;
}

/** With these answers our certificate is of no use, and another one may be. */
const renewableReasons: ReadonlySet<string> = new Set([
  'expired',
  'unknown-ca',
  'ca-expired',
  'certificate-signature',
  'no-certificate',
]);

/** Keeps the stream from its construction on; nothing that the operator or the network does ends it. */
export class OperatorStream {
  readonly #options: OperatorStreamOptions;
  readonly #abort = new AbortController();
  readonly #enrolled = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  #failures = 0;
  #told = '';
  #mustEnrol = false;

  constructor(options: OperatorStreamOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Resolves when there is a certificate of our own. */
  get enrolled(): Promise<void> {
    return this.#enrolled.promise;
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const waitMs = await this.#attempt().then(
        () => 0,
        (error: unknown) => this.#explain(error),
      );
      this.#failures += 1;
      const pauseMs = backOffMs(this.#failures, Math.random(), waitMs);
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Enrols if it must, then serves the stream until it ends. */
  async #attempt(): Promise<void> {
    const { files, address } = this.#options;
    const places = await listPlaces(address, await files.readAddress());
    if (places.length === 0) throw new Error(`there is no address for ${address.host}`);
    const identity = await this.#identity(places);
    const { signal } = this.#abort;
    const trust = this.#options.trust.with(await this.#caPem());
    if (trust === undefined) throw new Error('there is no CA certificate to know the operator by');
    const call = async (endpoint: Endpoint) => callForStream({ endpoint, trust, identity, signal });
    const { value: socket, endpoint } = await inTurn(places, call);
    await files.writeAddress(formatEndpoint(endpoint));
    await this.#serve(socket, endpoint);
  }

  async #serve(socket: TLSSocket, endpoint: Endpoint): Promise<void> {
    const { version, report, emit } = this.#options;
    const stop = (): void => void socket.destroy();
    this.#abort.signal.addEventListener('abort', stop);
    if (this.#abort.signal.aborted) stop();
    let isOpen = false;
    try {
      await serveOperator({
        socket,
        version,
        report,
        onHello: (theirs) => {
          isOpen = true;
          const message = `connected to the operator at ${formatEndpoint(endpoint)}, version ${theirs}`;
          emit({ event: 'operator', isConnected: true, message });
        },
        onMessage: async (message, send) => {
          this.#failures = 0;
          this.#told = '';
          await this.#take(message, send);
        },
      });
    } finally {
      this.#abort.signal.removeEventListener('abort', stop);
      if (isOpen && !this.#abort.signal.aborted) {
        emit({
          event: 'operator',
          isConnected: false,
          message: 'the operator is gone: everything goes on as it was',
        });
      }
    }
  }

  async #take(message: OperatorMessage, send: (message: AgentMessage) => void): Promise<void> {
    const { trust, certificates, onSnapshot, onCertificate, emit } = this.#options;
    if (message.kind === 'snapshot') {
      await trust.take(message.trust);
      await onSnapshot(message, send);
    } else if (message.kind === 'certificate') {
      const problem = await certificates.store(message.name, message.certificatePem);
      if (problem === undefined) await onCertificate(message.name);
      else emit({ event: 'warning', reason: 'Operator', message: problem });
    } else if (message.kind === 'refused') {
      const text = `no certificate for ${message.name ?? 'us'}: ${message.message} (${message.reason})`;
      emit({ event: 'warning', reason: 'Operator', message: text });
    }
  }

  async #identity(places: readonly Endpoint[]): Promise<Identity> {
    const { certificates, name } = this.#options;
    const present = await certificates.identity(name);
    if (present !== undefined) this.#enrolled.resolve();
    if (present !== undefined && !this.#mustEnrol) return present;
    await this.#enrol(places);
    this.#mustEnrol = false;
    const identity = await certificates.identity(name);
    if (identity === undefined) throw new Error('the certificate that was just stored is gone');
    this.#enrolled.resolve();
    return identity;
  }

  async #enrol(places: readonly Endpoint[]): Promise<void> {
    const { certificates, name, tokenFile, version, trust, ca, onCertificate } = this.#options;
    const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
    const request = {
      csrPem: await certificates.request(name),
      version,
      trust: trust.with(await this.#caPem()),
      pin: 'pin' in ca ? ca.pin : undefined,
      signal: this.#abort.signal,
      ...(token === undefined ? {} : { token }),
    };
    const { value: reply } = await inTurn(places, async (endpoint) => callToEnrol({ ...request, endpoint }));
    if (reply.kind === 'refused') {
      const advice = token === undefined ? await this.#adviseToPin() : '';
      throw new OperatorRefusal(
        reply.reason,
        `${reply.message} (${reply.reason})${advice}`,
        reply.retryAfterMs,
      );
    }
    if (reply.name !== name) {
      throw new OperatorRefusal(
        'NameWrong',
        `the operator calls this ${reply.name}: start it with that name, not ${name}`,
      );
    }
    await trust.take(reply.trust);
    const problem = await certificates.store(name, reply.certificatePem);
    if (problem !== undefined) throw new Error(problem);
    await onCertificate(name);
  }

  async #adviseToPin(): Promise<string> {
    const { certificates, name, pinnedIn } = this.#options;
    const key = fingerprintOf(await certificates.key(name));
    return `; waiting: put publicKey: sha256:${key} into ${pinnedIn}`;
  }

  /** A file may be replaced, and may come later than we (a Secret that is optional). */
  async #caPem(): Promise<string | undefined> {
    const { ca, trust } = this.#options;
    if ('pin' in ca) return undefined;
    try {
      return await readFile(ca.file, 'utf8');
    } catch (error) {
      if (trust.set !== undefined) return undefined;
      throw error;
    }
  }

  /** Says once what is wrong, as long as it is the same. @returns what the operator asked to wait */
  #explain(error: unknown): number {
    if (this.#abort.signal.aborted) return 0;
    const message = error instanceof Error ? error.message : String(error);
    const isRefusal = error instanceof OperatorRefusal;
    const isStranger = error instanceof DialError && error.reason === 'unknown-ca';
    // Where we know the operator by its pin, it may have changed its CA while we were away.
    if (isStranger || (isRefusal && renewableReasons.has(error.reason))) this.#mustEnrol = true;
    if (message !== this.#told) this.#options.emit({ event: 'warning', reason: 'Operator', message });
    this.#told = message;
    return isRefusal ? error.retryAfterMs : 0;
  }
}

/** The first that answers; rejects with what went wrong first where somebody was there that is not the operator, else last. */
async function inTurn<Value>(
  places: readonly Endpoint[],
  call: (endpoint: Endpoint) => Promise<Value>,
): Promise<{ readonly value: Value; readonly endpoint: Endpoint }> {
  let last: unknown;
  for (const endpoint of places) {
    try {
      return { value: await call(endpoint), endpoint };
    } catch (error) {
      if (!(last instanceof DialError && last.isUntrusted)) last = error;
    }
  }
  throw last;
}
