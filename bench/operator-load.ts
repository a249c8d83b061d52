/** What a large home asks of the operator and of the API server: 10 servers with 200 cameras each, agents without media. */
import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { callForStream, callToEnrol } from '../agent/control/operator-calls.ts';
import { serveOperator } from '../agent/control/operator-session.ts';
import { systemNamespace } from '../crds/cluster.ts';
import { makeDefinitions } from '../crds/definitions.ts';
import { homingApiVersion } from '../crds/metadata.ts';
import type { Report, ServerReport } from '../crds/operator-messages.ts';
import { createCertificateRequest, fingerprintOf } from '../protocol/certificate-requests.ts';
import { parseIdentity } from '../tls/identity.ts';
import { freePorts } from '../test/support/agent-process.ts';
import { trustOf } from '../test/support/certificates.ts';
import { type ControlPlane, startControlPlane } from '../test/support/control-plane.ts';
import { OperatorProcess } from '../test/support/operator-process.ts';
import { cpuSecondsOf, memoryOf } from './machine.ts';
import type { Outcome, Row } from './report.ts';

const servers = 10;
const camerasOfEach = 200;
const idleMs = 30_000;
const metadata = (name: string) => ({ name, namespace: 'cams' });

export async function benchOperatorLoad(): Promise<readonly Outcome[]> {
  const plane = await startControlPlane({ auditLog: true });
  const home = new SimulatedHome(plane);
  try {
    await home.open();
    const settled = await home.measure('2,000 cameras first seen at 10 servers', async () => home.settle());
    const moved = await home.measure('200 cameras of one server move', async () => home.moveFrom(0));
    const idle = await home.measure(`${idleMs / 1000} s without any news`, async () => sleep(idleMs));
    const { residentMiB } = memoryOf(home.operatorPid);
    const rows: Row[] = [...settled, ...moved, ...idle];
    return [...rows, { what: 'operator of that home, resident', figure: residentMiB, unit: 'MiB' }];
  } catch (error) {
    return [{ what: 'operator with 2,000 cameras', skipped: String(error) }];
  } finally {
    await home.close();
    await plane.stop();
  }
}

class SimulatedHome {
  readonly #plane: ControlPlane;
  readonly #abort = new AbortController();
  readonly #streams: Promise<void>[] = [];
  readonly #keys = Array.from({ length: servers }, makeKey);
  /** Which server each camera is at. */
  readonly #places = Array.from({ length: servers * camerasOfEach }, (_, camera) => camera % servers);
  #operator: OperatorProcess | undefined;
  #port = 0;

  constructor(plane: ControlPlane) {
    this.#plane = plane;
  }

  get operatorPid(): number {
    return this.#operator?.pid ?? 0;
  }

  async open(): Promise<void> {
    await this.#apply(makeDefinitions());
    await this.#kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=20s');
    for (const name of [systemNamespace, 'cams']) await this.#kubectl('create', 'namespace', name);
    await this.#apply([...this.#keys.keys()].map((index) => this.#serverResource(index)));
    const pins = this.#places.map((_, index) => ({ native: { publicKey: pinOf(index) } }));
    await this.#apply(
      pins.map((source, index) => resource('CameraClient', metadata(`cam-${index}`), { source })),
    );
    const [port = 0, metrics = 0] = await freePorts(2);
    this.#port = port;
    const places = ['--listen', `127.0.0.1:${port}`, '--metrics', `127.0.0.1:${metrics}`];
    this.#operator = new OperatorProcess('bench', ['--kubeconfig', this.#plane.kubeconfigPath, ...places]);
    await this.#operator.says('"started"');
  }

  /** Every agent enrols, and reports its cameras; until the API server knows where each is. */
  async settle(): Promise<void> {
    const certificate = String.raw`jsonpath={.data.tls\.crt}`;
    const encoded = await this.#kubectl(
      '-n',
      systemNamespace,
      'get',
      'secret',
      'homing-ca',
      '-o',
      certificate,
    );
    const trust = trustOf(Buffer.from(encoded, 'base64').toString());
    for (const index of this.#keys.keys()) this.#streams.push(this.#runAgent(index, trust));
    await this.#untilPlaced();
  }

  async moveFrom(lost: number): Promise<void> {
    for (const [camera, place] of this.#places.entries()) {
      if (place === lost) this.#places[camera] = 1 + (camera % (servers - 1));
    }
    await this.#untilPlaced();
  }

  async measure(what: string, doing: () => Promise<void>): Promise<readonly Row[]> {
    const requestsBefore = await this.#requests();
    const cpuBefore = cpuSecondsOf(this.operatorPid);
    const startMs = performance.now();
    await doing();
    const took = (performance.now() - startMs) / 1000;
    const cpu = cpuSecondsOf(this.operatorPid) - cpuBefore;
    const [all, writes] = await this.#requests();
    const written = writes - requestsBefore[1];
    const note = `${all - requestsBefore[0]} API requests, ${written} of them writes; ${took.toFixed(1)} s in all`;
    return [{ what: `${what}: the operator's processor time`, figure: cpu, unit: 's', note }];
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await Promise.allSettled(this.#streams);
    await this.#operator?.end('SIGTERM');
  }

  #serverResource(index: number): object {
    const publicKey = this.#keys[index]?.pin;
    return resource('HomeServer', { name: `s${index}` }, { max: 1000, external: { publicKey } });
  }

  async #runAgent(index: number, trust: ReturnType<typeof trustOf>): Promise<void> {
    const { signal } = this.#abort;
    const endpoint = { ip: '127.0.0.1', port: this.#port };
    const keyPem = this.#keys[index]?.keyPem ?? '';
    const csrPem = await createCertificateRequest(keyPem);
    const reply = await callToEnrol({ endpoint, trust, pin: undefined, csrPem, version: 'bench', signal });
    if (reply.kind === 'refused') throw new Error(`enrolling s${index}: ${reply.message}`);
    const identity = parseIdentity({ certificatePem: reply.certificatePem, keyPem });
    const socket = await callForStream({ endpoint, trust, identity, signal });
    signal.addEventListener('abort', () => socket.destroy());
    let taken = { snapshot: 0, trust: reply.trust.revision };
    await serveOperator({
      socket,
      version: 'bench',
      report: async () => this.#report(index, identity.leaf.id, taken),
      onHello: () => undefined,
      onMessage: async (message) => {
        if (message.kind === 'snapshot')
          taken = { snapshot: message.revision, trust: message.trust.revision };
      },
    }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  #report(index: number, identifier: string, taken: { snapshot: number; trust: number }): Report {
    const here = [...this.#places.entries()].filter(([, place]) => place === index);
    const hears = [...this.#keys.keys()].filter((other) => other !== index).map((other) => `s${other}`);
    const server: ServerReport = {
      identifier,
      address: `192.0.2.${index + 1}:17320`,
      features: ['record'],
      missingFeatures: [],
      level: 1,
      max: 1000,
      isDraining: false,
      hears,
      ranking: [`s${index}`, ...hears].map((name) => ({ name, why: 'same level and max' })),
      clients: here.map(([camera]) => ({
        name: `cams/cam-${camera}`,
        isStreaming: true,
        why: 'the only one',
      })),
    };
    const revisions = { trustRevision: taken.trust, snapshotRevision: taken.snapshot };
    return { kind: 'report', ...revisions, server, cameras: [], anchorUses: {} };
  }

  /** Looks seldom, as a list of 2,000 is work for the API server too. */
  async #untilPlaced(): Promise<void> {
    const wanted = this.#places
      .map((place, camera) => `cam-${camera}=s${place}`)
      .toSorted()
      .join(' ');
    const each = 'jsonpath={range .items[*]}{.metadata.name}={.status.server} {end}';
    for (const end = Date.now() + 240_000; Date.now() < end; await sleep(2000)) {
      const seen = await this.#kubectl('-n', 'cams', 'get', 'cameraclients', '-o', each);
      if (seen.trim().split(' ').toSorted().join(' ') === wanted) return;
    }
    throw new Error('after four minutes the API server does not know where all cameras are');
  }

  /** Of the operator, all and those that write. */
  async #requests(): Promise<readonly [number, number]> {
    const log = await this.#plane.auditLog();
    const ours = log.filter(({ userAgent }) => userAgent === 'homing');
    const writes = ours.filter(({ verb }) => ['create', 'update', 'patch', 'delete'].includes(verb));
    return [ours.length, writes.length];
  }

  async #apply(objects: readonly object[]): Promise<void> {
    const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    const { code, stderr } = await this.#plane.kubectl('create', '-f', '-', { stdin });
    if (code !== 0) throw new Error(`kubectl create: ${stderr.slice(0, 500)}`);
  }

  async #kubectl(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#plane.kubectl(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }
}

function resource(kind: string, about: object, spec: object): object {
  return { apiVersion: homingApiVersion, kind, metadata: about, spec };
}

/** Pins of cameras that never enrol: all different, of no key. */
function pinOf(camera: number): string {
  return `sha256:${camera.toString(16).padStart(64, '0')}`;
}

function makeKey(): { readonly keyPem: string; readonly pin: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { keyPem, pin: `sha256:${fingerprintOf(keyPem)}` };
}
