import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Metafile } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../image/bundle.ts';
import { bundledPackages } from '../../image/licenses.ts';
import { stagePackage } from '../../image/stage.ts';
import { freePorts } from '../support/agent-process.ts';
import manifest from '../../package.json' with { type: 'json' };

const run = promisify(execFile);
const top = path.join(import.meta.dirname, '../..');

let directory = '';
let metafile: Metafile = { inputs: {}, outputs: {} };
const started: ChildProcess[] = [];
const homing = (...args: readonly string[]) => run(path.join(directory, 'package/bin/homing'), args);

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'homing-bundle-'));
  await stagePackage(top, path.join(directory, 'package'));
  metafile = await bundle(path.join(directory, 'dist'));
});

afterAll(async () => {
  for (const agent of started) agent.kill('SIGKILL');
  await rm(directory, { recursive: true });
});

/** What is loaded with `dist/homing.js`, whatever the command: its own parts and those that it imports at once. */
function loadedAtOnce(): ReadonlySet<string> {
  const [entry = ''] = Object.keys(metafile.outputs).filter((file) => file.endsWith('/homing.js'));
  const files = new Set([entry]);
  for (const file of files) {
    for (const { path: imported, kind, external } of metafile.outputs[file]?.imports ?? [])
      if (kind === 'import-statement' && external !== true) files.add(imported);
  }
  return new Set([...files].flatMap((file) => Object.keys(metafile.outputs[file]?.inputs ?? {})));
}

describe('the bundle', () => {
  it('loads nothing of the cluster, of issuing or of metrics for a command that does not need it', () => {
    const heavy = ['@kubernetes/client-node', '@peculiar/x509', 'prom-client', 'reflect-metadata', 'esbuild'];
    const loaded = [...loadedAtOnce()];
    expect(loaded.some((file) => file === 'agent/agent.ts')).toBe(true);
    expect(loaded.filter((file) => heavy.some((name) => file.includes(`node_modules/${name}/`)))).toEqual([]);
  });

  it('has one language of zod’s fifty', () => {
    const locales = [...loadedAtOnce()].filter((file) => file.includes('zod/v4/locales/'));
    expect(locales).toContain('node_modules/zod/v4/locales/en.js');
    expect(locales.length).toBeLessThan(4);
  });

  it('has nothing that only development needs', async () => {
    const names = (await bundledPackages(top, metafile)).map(({ name }) => name);
    expect(names).toContain('zod');
    expect(names.filter((name) => Object.hasOwn(manifest.devDependencies, name))).toEqual([]);
  });

  it('carries the notice of each package in it', async () => {
    const notices = await readFile(path.join(directory, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
    for (const { name, version, license } of await bundledPackages(top, metafile))
      expect(notices).toContain(`\n${name} ${version} (${license})\n`.trimStart());
  });

  it('has no line that would fill a screen when an error shows it', async () => {
    const text = await readFile(path.join(directory, 'dist/homing.js'), 'utf8');
    const longest = Math.max(...text.split('\n').map((line) => line.length));
    expect(longest).toBeLessThan(4000);
  });
});

describe('the published package', () => {
  it('has the bundle, the launcher and nothing of the sources', async () => {
    const files = await readdir(path.join(directory, 'package'));
    expect(files.toSorted()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'bin', 'dist', 'package.json']);
    const published: unknown = JSON.parse(
      await readFile(path.join(directory, 'package/package.json'), 'utf8'),
    );
    expect(published).toMatchObject({ name: 'homing', version: manifest.version, bin: manifest.bin });
    expect(published).not.toHaveProperty('dependencies');
    expect(published).not.toHaveProperty('scripts');
  });

  it('runs where there are no node_modules', async () => {
    expect((await homing('--version')).stdout).toBe(`${manifest.version}\n`);
    expect((await homing('agent', '--help')).stdout).toContain('--resources');
    await expect(homing('agent')).rejects.toMatchObject({ code: 2 });
  });

  it('issues certificates and signs with them', async () => {
    const ca = path.join(directory, 'ca');
    await homing('ca', 'init', '--out', ca);
    await homing('ca', 'issue', '--ca', ca, '--server', 'pi', '--out', ca);
    const message = path.join(directory, 'message');
    const identity = ['--cert', path.join(ca, 'pi.crt'), '--key', path.join(ca, 'pi.key')];
    const content = '--features record --connected 0 --max 5 --address 127.0.0.1:17320'.split(' ');
    await homing('announce', ...identity, ...content, '--out', message);
    const { stdout } = await homing('verify', message, '--trust', path.join(ca, 'ca.crt'), '--json');
    expect(JSON.parse(stdout)).toMatchObject({ valid: true });
  });

  it('runs an agent, which ends well', async () => {
    const ca = path.join(directory, 'agent-ca');
    await homing('ca', 'init', '--out', ca);
    await homing('ca', 'issue', '--ca', ca, '--server', 'pi', '--out', ca);
    const [port = 0] = await freePorts(1);
    const resources = path.join(directory, 'home.yaml');
    await writeFile(resources, homeOf('pi', port));
    const options = { resources, name: 'pi', state: path.join(directory, 'state'), trust: `${ca}/ca.crt` };
    const flags = Object.entries({ ...options, cert: `${ca}/pi.crt`, key: `${ca}/pi.key` });
    const args = flags.flatMap(([flag, value]) => [`--${flag}`, value]);
    const agent = spawn(path.join(directory, 'package/bin/homing'), ['agent', ...args, '--json']);
    started.push(agent);
    const isUp = () => homing('status', '--state', options.state).then(Boolean, () => false);
    while (!(await isUp())) expect(agent.exitCode).toBe(null);
    agent.kill('SIGTERM');
    const [code] = await once(agent, 'exit');
    expect(code).toBe(0);
  });
});

function homeOf(name: string, port: number): string {
  return JSON.stringify({
    apiVersion: 'homing.dev/v1alpha1',
    kind: 'HomeServer',
    metadata: { name },
    spec: { announce: { interfaces: ['lo'] }, listen: { port } },
  });
}
