/** The agent's side of the operator's stream: snapshots become files, reports go up, certificates are asked for. */
import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import {
  maxOperatorLineBytes,
  messageVersions,
  operatorMessage,
  pingEveryMs,
  type OperatorMessage,
  type Report,
  type Snapshot,
} from '../../crds/operator-messages.ts';
import { createCertificateRequest } from '../../protocol/certificate-requests.ts';
import { LineReader } from '../../protocol/lines.ts';
import { parseTrust } from '../../protocol/trust.ts';
import { loadIdentity, type Identity } from '../../tls/identity.ts';
import type { EmitEvent } from '../events.ts';
import { callForStream, callToEnrol, type OperatorPlace } from './operator-calls.ts';
import {
  openOperatorFiles,
  readIfThere,
  replaceFile,
  writeResources,
  writeTrust,
  type OperatorFiles,
} from './operator-files.ts';
import { takeRunnable, type RunnableResources } from './operator-resources.ts';

export interface OperatorStreamOptions {
  readonly host: string;
  readonly port: number;
  /** Anchors for the first call. */
  readonly caPem: string;
  readonly name: string;
  readonly state: string;
  readonly credentials: string;
  /** The agent has a folder for `file` sources. */
  readonly hasMedia: boolean;
  readonly tokenFile?: string;
  readonly version: string;
  readonly report: () => Report;
  readonly emit: EmitEvent;
}

const reportEveryMs = 250;
const retryMs = 1000;

/** Keeps the stream, for ever. */
export class OperatorStream {
  readonly #options: OperatorStreamOptions;
  readonly #abort = new AbortController();
  readonly #materialized = Promise.withResolvers<void>();
  #snapshot: Snapshot | undefined;
  #runnable: RunnableResources | undefined;
  #running: Promise<void> | undefined;
  snapshotRevision = 0;
  /** Why the last snapshot is not in use. */
  problem: string | undefined;
  /** By camera's `namespace/name`: why it is not run. */
  cameraProblems: ReadonlyMap<string, string> = new Map();
  trustRevision = 0;

  constructor(options: OperatorStreamOptions) {
    this.#options = options;
  }

  /** Opens the files, and resolves when they hold something to run from. */
  async open(): Promise<OperatorFiles> {
    const { state, credentials } = this.#options;
    const files = await openOperatorFiles(state, credentials);
    if ((await readIfThere(path.join(files.resources, 'snapshot.yaml'))) !== undefined)
      this.#materialized.resolve();
    this.#running = this.#run(files);
    await this.#materialized.promise;
    return files;
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(files: OperatorFiles): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        const identity = await this.#enrolled(files);
        const socket = await callForStream(await this.#place(files), identity, this.#abort.signal);
        await this.#serve(socket, files);
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        this.#options.emit({ event: 'warning', reason: 'Operator', message });
      }
      await sleep(retryMs * (0.5 + Math.random()), undefined, { signal: this.#abort.signal }).catch(
        () => undefined,
      );
    }
  }

  async #place(files: OperatorFiles): Promise<OperatorPlace> {
    const { host, port, caPem } = this.#options;
    const anchorsPem = (await readIfThere(path.join(files.trust, 'ca.crt'))) ?? caPem;
    const trust = parseTrust({ anchorsPem, denyText: '' });
    if (!trust.ok) throw new Error(trust.detail);
    return { host, port, trust: trust.value };
  }

  async #enrolled(files: OperatorFiles): Promise<Identity> {
    const { serverCertificate, serverKey } = files;
    if ((await readIfThere(serverCertificate)) !== undefined)
      return loadIdentity(serverCertificate, serverKey);
    const keyPem = await keyAt(serverKey);
    const { tokenFile, version } = this.#options;
    const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
    const reply = await callToEnrol(await this.#place(files), {
      csrPem: await createCertificateRequest(keyPem),
      version,
      ...(token === undefined ? {} : { token }),
    });
    if (reply.kind === 'refused') throw new Error(`the operator refuses: ${reply.message} (${reply.reason})`);
    await writeTrust(files, reply.trust);
    this.trustRevision = reply.trust.revision;
    await replaceFile(serverCertificate, reply.certificatePem);
    return loadIdentity(serverCertificate, serverKey);
  }

  async #serve(socket: TLSSocket, files: OperatorFiles): Promise<void> {
    const send = (message: object): void => void socket.write(`${JSON.stringify(message)}\n`);
    const { version, report } = this.#options;
    send({ kind: 'hello', versions: messageVersions, version });
    let last = '';
    const reports = setInterval(() => {
      const text = JSON.stringify(report());
      if (text === last) return;
      last = text;
      socket.write(`${text}\n`);
    }, reportEveryMs);
    const pings = setInterval(() => send({ kind: 'ping' }), pingEveryMs);
    const stop = (): void => void socket.destroy();
    this.#abort.signal.addEventListener('abort', stop);
    socket.setTimeout(pingEveryMs * 3, stop);
    try {
      for await (const message of messagesFrom(socket)) await this.#take(message, files, send);
    } finally {
      clearInterval(reports);
      clearInterval(pings);
      this.#abort.signal.removeEventListener('abort', stop);
      socket.destroy();
    }
  }

  async #take(
    message: OperatorMessage,
    files: OperatorFiles,
    send: (message: object) => void,
  ): Promise<void> {
    if (message.kind === 'snapshot') {
      this.#snapshot = message;
      await writeTrust(files, message.trust);
      this.trustRevision = message.trust.revision;
      for (const name of camerasIn(message)) await this.#askFor(name, files, send);
      await this.#materialize(message, files);
    } else if (message.kind === 'certificate') {
      const isOwn = message.name === this.#options.name;
      const file = isOwn ? files.serverCertificate : certificateAt(files, message.name);
      await replaceFile(file, message.certificatePem);
      if (this.#snapshot !== undefined) await this.#materialize(this.#snapshot, files);
    } else if (message.kind === 'refused') {
      this.#options.emit({ event: 'warning', reason: message.reason, message: message.message });
    }
  }

  async #askFor(name: string, files: OperatorFiles, send: (message: object) => void): Promise<void> {
    if ((await readIfThere(certificateAt(files, name))) !== undefined) return;
    const keyPem = await keyAt(certificateAt(files, name).replace(/crt$/, 'key'));
    send({ kind: 'request', name, csrPem: await createCertificateRequest(keyPem) });
  }

  async #materialize(snapshot: Snapshot, files: OperatorFiles): Promise<void> {
    const { name, credentials, hasMedia } = this.#options;
    const certified = new Set<string>();
    for (const camera of camerasIn(snapshot)) {
      if ((await readIfThere(certificateAt(files, camera))) !== undefined) certified.add(camera);
    }
    const isCertified = (camera: string): boolean => certified.has(camera);
    const runnable = takeRunnable(snapshot, { name, hasMedia, isCertified, previous: this.#runnable });
    this.problem = runnable.serverProblem;
    if (runnable.serverProblem !== undefined) return;
    this.cameraProblems = runnable.problems;
    this.#runnable = runnable;
    await writeResources(files, credentials, runnable, snapshot.isCordoned);
    this.snapshotRevision = snapshot.revision;
    this.#materialized.resolve();
  }
}

/** Messages that this version knows, in order. */
async function* messagesFrom(socket: TLSSocket): AsyncGenerator<OperatorMessage> {
  const reader = new LineReader(maxOperatorLineBytes);
  for await (const chunk of socket) {
    reader.push(chunk);
    for (let line = reader.next(); line !== undefined; line = reader.next()) {
      if (!line.ok) throw new Error(line.detail);
      const text = Buffer.from(line.value, 'latin1').toString('utf8');
      const message = operatorMessage.safeParse(JSON.parse(text)).data;
      if (message !== undefined) yield message;
    }
  }
}

function certificateAt({ clientCertificates }: OperatorFiles, name: string): string {
  return path.join(clientCertificates, `${path.basename(name)}.crt`);
}

async function keyAt(file: string): Promise<string> {
  const present = await readIfThere(file);
  if (present !== undefined) return present;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  await replaceFile(file, keyPem);
  return keyPem;
}

function camerasIn({ cameraClients }: Snapshot): readonly string[] {
  return cameraClients.map(nameOf).filter((name) => name !== '');
}

function nameOf(camera: unknown): string {
  const metadata: unknown =
    typeof camera === 'object' && camera !== null ? Reflect.get(camera, 'metadata') : undefined;
  if (typeof metadata !== 'object' || metadata === null) return '';
  return `${String(Reflect.get(metadata, 'namespace'))}/${String(Reflect.get(metadata, 'name'))}`;
}
