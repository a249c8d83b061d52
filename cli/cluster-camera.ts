/** The test camera of `homing cluster-test`: a native client with a key of its own, from its resource to its first move. */
import { generateKeyPairSync } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { callToEnrol } from '../agent/control/operator-calls.ts';
import manifest from '../package.json' with { type: 'json' };
import { createCertificateRequest, parseCertificateRequest } from '../protocol/certificate-requests.ts';
import type { Endpoint } from '../protocol/endpoints.ts';
import { parseTrust, type TrustSet } from '../protocol/trust.ts';
import type { KubeConnection } from '../operator/kube/connection.ts';
import type { ClusterFlags } from './cluster.ts';
import { DemoProcess } from './demo-process.ts';
import { CommandError } from './output.ts';

export interface TestCameraOptions extends ClusterFlags {
  readonly namespace: string;
  readonly operator: string;
  readonly ca: string;
  /** Servers with room, best first. */
  readonly open: readonly { readonly name: string; readonly address: string }[];
  readonly deadlineMs: number;
  readonly say: (line: string) => void;
}

export interface MovedCamera {
  readonly story: string;
  readonly from: string;
  /** The same as `from` where there is only one server. */
  readonly to: string;
  readonly framesLost: number;
}

const cameraName = 'homing-test';
const streamMs = 3000;

/** Makes it, streams, and removes it whatever happens. */
export async function moveTestCamera(options: TestCameraOptions): Promise<MovedCamera> {
  const [best] = options.open;
  const worst = options.open.at(-1);
  if (best === undefined || worst === undefined) throw new Error('no server has room for a test camera');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const csrPem = await createCertificateRequest(keyPem);
  const request = await parseCertificateRequest(csrPem);
  if (!request.ok) throw new Error(request.detail);
  const { loadKubeConnection } = await import('../operator/kube/connection.ts');
  const connection = await loadKubeConnection(options.kubeconfig, options.context);
  const directory = await mkdtemp(path.join(tmpdir(), 'homing-cluster-test-'));
  try {
    await createCamera(connection, options.namespace, `sha256:${request.value.spkiSha256}`);
    const papers = await enrol(options, csrPem);
    await writeFile(path.join(directory, 'camera.key'), keyPem, { mode: 0o600 });
    await writeFile(path.join(directory, 'camera.crt'), papers.certificatePem);
    await writeFile(path.join(directory, 'ca.crt'), papers.anchorsPem);
    return await stream(options, directory, { best: best.name, worst });
  } finally {
    await removeCamera(connection, options.namespace).catch(() => undefined);
    connection.close();
    await rm(directory, { recursive: true });
  }
}

const pathOfCameras = (namespace: string): string =>
  `/apis/homing.dev/v1alpha1/namespaces/${encodeURIComponent(namespace)}/cameraclients`;

async function createCamera(connection: KubeConnection, namespace: string, publicKey: string): Promise<void> {
  await removeCamera(connection, namespace).catch(() => undefined);
  await connection.request({
    method: 'POST',
    path: pathOfCameras(namespace),
    body: {
      apiVersion: 'homing.dev/v1alpha1',
      kind: 'CameraClient',
      metadata: { name: cameraName, namespace },
      spec: { source: { native: { publicKey } } },
    },
    timeoutMs: 15_000,
  });
}

async function removeCamera(connection: KubeConnection, namespace: string): Promise<void> {
  await connection.request({
    method: 'DELETE',
    path: `${pathOfCameras(namespace)}/${cameraName}`,
    timeoutMs: 15_000,
  });
}

interface Papers {
  readonly certificatePem: string;
  readonly anchorsPem: string;
}

/** The operator knows the key as soon as it has seen the resource. */
async function enrol(options: TestCameraOptions, csrPem: string): Promise<Papers> {
  const { deadlineMs, say } = options;
  const signal = AbortSignal.timeout(Math.max(1000, Math.ceil(deadlineMs - performance.now())));
  const endpoint = await resolvePlace(options.operator);
  const call = { endpoint, trust: await readTrust(options.ca), pin: undefined, csrPem, signal };
  for (;;) {
    const reply = await callToEnrol({ ...call, version: manifest.version });
    if (reply.kind === 'enrolled')
      return { certificatePem: reply.certificatePem, anchorsPem: reply.trust.anchorsPem };
    if (performance.now() > deadlineMs)
      throw new Error(`the operator refuses the test camera: ${reply.message} (${reply.reason})`);
    say(`waiting for the operator: ${reply.message}`);
    await delay(reply.retryAfterMs ?? 1000);
  }
}

async function readTrust(file: string): Promise<TrustSet> {
  const trust = parseTrust({ anchorsPem: await readFile(file, 'utf8'), denyText: '' });
  if (!trust.ok) throw new CommandError(`${file}: ${trust.detail}`);
  return trust.value;
}

async function resolvePlace(text: string): Promise<Endpoint> {
  const [, host = '', port = ''] = /^(?:\[?)([^\]]+?)(?:\]?):(\d{1,5})$/.exec(text) ?? [];
  if (host === '') throw new CommandError(`--operator ${text}: is not HOST:PORT`);
  const { address } = await lookup(host);
  return { ip: address, port: Number(port) };
}

interface Way {
  readonly best: string;
  readonly worst: { readonly name: string; readonly address: string };
}

async function stream({ deadlineMs }: TestCameraOptions, directory: string, way: Way): Promise<MovedCamera> {
  const { best, worst } = way;
  const file = (name: string): string => path.join(directory, name);
  const papers = ['--trust', file('ca.crt'), '--cert', file('camera.crt'), '--key', file('camera.key')];
  const to = ['--server', worst.address, '--source', 'test', '--state', file('state')];
  const client = new DemoProcess('the test camera', ['connect', ...papers, ...to], () => undefined);
  const timeoutMs = Math.max(1000, deadlineMs - performance.now());
  try {
    await client.until({ what: 'a first server', matches: ({ event }) => event === 'connected', timeoutMs });
    if (worst.name === best) {
      await delay(streamMs);
      return { story: `a camera streams to ${best}, the only server`, from: best, to: best, framesLost: 0 };
    }
    const [moved] = await client.until({
      what: `a redirect from ${worst.name} to ${best}`,
      matches: (event) => event.event === 'handedOver' && event.to === best,
      timeoutMs,
    });
    if (moved?.event !== 'handedOver') throw new Error('the test camera did not move');
    const { milliseconds, framesLost } = moved;
    if (framesLost > 0) throw new Error(`${framesLost} frames were lost between ${worst.name} and ${best}`);
    const story = `a camera moved from ${worst.name} to ${best} in ${milliseconds} ms, 0 frames lost`;
    return { story, from: worst.name, to: best, framesLost };
  } finally {
    await client.stop();
  }
}
