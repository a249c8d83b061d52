/** What the container image weighs, and what operator and agent out of it keep in memory while nothing happens. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeDefinitions } from '../crds/definitions.ts';
import { systemNamespace } from '../crds/cluster.ts';
import { containerConfig } from '../image/image.ts';
import { readLaunch } from '../image/launch.ts';
import { writeImage } from '../image/oci.ts';
import { type RootFolders, assembleRoot } from '../image/root.ts';
import { freePorts } from '../test/support/agent-process.ts';
import { startControlPlane } from '../test/support/control-plane.ts';
import { BenchHome, papersOf } from './home.ts';
import { memoryOf } from './machine.ts';
import type { Outcome, Row } from './report.ts';

const top = path.join(import.meta.dirname, '..');
/** Long enough for the collector to have been there several times. */
const idleMs = 20_000;

export async function benchImage(): Promise<readonly Outcome[]> {
  const directory = await mkdtemp(path.join(tmpdir(), 'homing-bench-image-'));
  try {
    const folders = await assembleRoot(top, directory);
    return [
      await size(folders, directory),
      await agentIdle(folders),
      await operatorIdle(folders).catch((error: unknown) => ({
        what: 'operator out of the image, idle',
        skipped: error instanceof Error ? error.message : String(error),
      })),
    ];
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function size({ base, app }: RootFolders, directory: string): Promise<Row> {
  const { compressedBytes, layers } = await writeImage(path.join(directory, 'image.tar'), {
    reference: 'localhost/homing:bench',
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    layers: [base, app],
    config: await containerConfig(),
  });
  const parts = layers.map((layer) => (layer.compressedBytes / 2 ** 20).toFixed(1)).join(' and ');
  return {
    what: 'container image, compressed',
    figure: compressedBytes / 2 ** 20,
    unit: 'MiB',
    // 60 MB.
    target: { of: 'figure', atMost: 57.2 },
    note: `two layers of ${parts} MiB; an upgrade fetches the second one only`,
  };
}

async function agentIdle(folders: RootFolders): Promise<Row> {
  await using home = await BenchHome.open();
  const [port = 0] = await freePorts(1);
  await home.write('box', papersOf(await home.server('box')));
  const sinks = [{ name: 'disk', record: { keepFree: '1Mi' } }];
  const spec = { listen: { port }, sinks, announce: { interfaces: ['lo'] } };
  const args = await home.writeAgent('box', [{ kind: 'HomeServer', metadata: { name: 'box' }, spec }]);
  return await idleMemory('agent', folders, args, 60);
}

/** With an API server of its own that holds our kinds and nothing else. */
async function operatorIdle(folders: RootFolders): Promise<Row> {
  const plane = await startControlPlane();
  try {
    const stdin = makeDefinitions()
      .map((definition) => JSON.stringify(definition))
      .join('\n---\n');
    await plane.kubectl('apply', '--server-side', '--filename', '-', { stdin });
    await plane.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=20s');
    await plane.kubectl('create', 'namespace', systemNamespace);
    const [port = 0, metrics = 0] = await freePorts(2);
    const args = ['--kubeconfig', plane.kubeconfigPath, '--listen', `127.0.0.1:${port}`];
    return await idleMemory('operator', folders, [...args, '--metrics', `127.0.0.1:${metrics}`], 90);
  } finally {
    await plane.stop();
  }
}

async function idleMemory(
  command: 'agent' | 'operator',
  { base, app }: RootFolders,
  args: readonly string[],
  atMost: number,
): Promise<Row> {
  const { nodeFlags, variables } = await readLaunch(top);
  const program = [...nodeFlags, path.join(app, 'opt/homing/dist/homing.js'), command, ...args, '--json'];
  const env = { PATH: process.env['PATH'], ...variables };
  const child = spawn(path.join(base, 'opt/homing/bin/node'), program, {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.resume();
  try {
    await delay(idleMs);
    if (child.exitCode !== null) throw new Error(`homing ${command} ended with ${child.exitCode}`);
    const { residentMiB, proportionalMiB, anonymousMiB } = memoryOf(child.pid ?? 0);
    return {
      what: `${command} out of the image, idle`,
      figure: residentMiB,
      unit: 'MiB',
      target: { of: 'figure', atMost },
      note: `resident; proportional ${proportionalMiB.toFixed(0)}, anonymous ${anonymousMiB.toFixed(0)} MiB`,
    };
  } finally {
    await end(child);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  await closed;
}
