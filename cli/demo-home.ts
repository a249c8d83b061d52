/** The demo's home: a folder with a CA, certificates and resource files, as a person would make it. */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The cameras of the demo; each is a test camera of our own. */
export const demoCameras = ['door', 'garden', 'garage'] as const;

export interface DemoServer {
  readonly name: string;
  readonly port: number;
  readonly features: readonly string[];
  readonly max: number;
  readonly state: string;
  readonly recordings: string;
  /** Arguments of `homing` that run this server, without `--json`. */
  readonly args: readonly string[];
}

export interface DemoHome {
  readonly directory: string;
  readonly trust: string;
  /** What each camera gave, byte for byte. */
  readonly reference: string;
  readonly pi: DemoServer;
  readonly nuc: DemoServer;
  /** Better than both, and signed by a CA that is not the home's. */
  readonly impostor: DemoServer;
  /** The name of that CA, as reasons quote it. */
  readonly strangerName: string;
}

/** Makes the home in `directory`, which must exist and be empty. */
export async function makeDemoHome(directory: string): Promise<DemoHome> {
  const home = path.join(directory, 'ca');
  const stranger = path.join(directory, 'stranger');
  await Promise.all([homing('ca', 'init', '--out', home), homing('ca', 'init', '--out', stranger)]);
  await Promise.all([
    issue(home, '--server', 'pi', directory),
    issue(home, '--server', 'nuc', directory),
    issue(stranger, '--server', 'impostor', directory),
    ...demoCameras.map((camera) => issue(home, '--client', camera, directory)),
  ]);
  const trust = path.join(home, 'ca.crt');
  const reference = path.join(directory, 'reference');
  const server = (plan: Omit<ServerPlan, 'directory' | 'reference'>) =>
    makeServer({ directory, reference, ...plan });
  // The impostor trusts the home's CA too (it is public), so it takes every invitation and calls whom it hears.
  const everybody = path.join(directory, 'everybody');
  await mkdir(everybody);
  const strangerPem = await readFile(path.join(stranger, 'ca.crt'), 'utf8');
  await writeFile(path.join(everybody, 'ca.crt'), `${await readFile(trust, 'utf8')}${strangerPem}`);
  return {
    directory,
    trust,
    reference,
    pi: await server({ name: 'pi', features: ['record'], max: 8, trust, cameras: demoCameras }),
    nuc: await server({ name: 'nuc', features: ['gpu', 'record'], max: 16, trust }),
    impostor: await server({
      name: 'impostor',
      features: ['db', 'gpu', 'record', 'web'],
      max: 99,
      trust: everybody,
    }),
    strangerName: new X509Certificate(strangerPem).subject,
  };
}

interface ServerPlan {
  readonly directory: string;
  readonly name: string;
  readonly features: readonly string[];
  readonly max: number;
  readonly trust: string;
  /** Bridged by this server's agent. */
  readonly cameras?: readonly string[];
  readonly reference: string;
}

async function makeServer(plan: ServerPlan): Promise<DemoServer> {
  const { directory, name, features, max, cameras = [] } = plan;
  const port = await freePort();
  const resources = path.join(directory, `${name}.yaml`);
  const state = path.join(directory, 'state', name);
  const recordings = path.join(state, 'recordings');
  await mkdir(state, { recursive: true });
  await writeFile(
    resources,
    [homeServer(name, port, features, max), ...cameras.map((camera) => cameraClient(camera, name))].join(
      '---\n',
    ),
  );
  const certs = path.join(directory, 'certs');
  const args = ['agent', '--resources', resources, '--name', name, '--state', state, '--trust', plan.trust];
  args.push('--cert', path.join(certs, `${name}.crt`), '--key', path.join(certs, `${name}.key`));
  if (cameras.length > 0) args.push('--client-certs', certs, '--keep-source', plan.reference);
  return { name, port, features, max, state, recordings, args };
}

function homeServer(name: string, port: number, features: readonly string[], max: number): string {
  return `apiVersion: homing.dev/v1alpha1
kind: HomeServer
metadata: {name: ${name}}
spec:
  features: [${features.join(', ')}]
  max: ${max}
  listen: {port: ${port}}
  announce: {interfaces: [lo]}
`;
}

function cameraClient(name: string, bridge: string): string {
  return `apiVersion: homing.dev/v1alpha1
kind: CameraClient
metadata: {name: ${name}, namespace: default}
spec:
  source: {test: {fps: 15, gop: 15}}
  bridge: {servers: [${bridge}]}
`;
}

async function issue(
  authority: string,
  kind: '--server' | '--client',
  name: string,
  directory: string,
): Promise<void> {
  const ip = kind === '--server' ? ['--ip', '127.0.0.1'] : [];
  await homing('ca', 'issue', '--ca', authority, kind, name, ...ip, '--out', path.join(directory, 'certs'));
}

async function homing(...args: readonly string[]): Promise<void> {
  await run(process.execPath, [process.argv[1] ?? '', ...args]);
}

/** A TCP port that is free now; taken by the server a moment later, which says so if somebody was faster. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => {
    probe.close(resolve);
  });
  if (address === null || typeof address === 'string') throw new Error('no TCP port to be had on 127.0.0.1');
  return address.port;
}
