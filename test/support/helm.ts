/** The real helm, as `test/kubernetes/build` makes it, and manifests as values. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';

const run = promisify(execFile);
const top = path.join(import.meta.dirname, '../..');

export const chart = path.join(top, 'charts/homing');

export interface HelmRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let binaries: Promise<string> | undefined;

/** The folder of etcd, kube-apiserver, kubectl, helm and the rest; built when they are not there yet. */
export function kubernetesBinaries(): Promise<string> {
  binaries ??= run(path.join(top, 'test/kubernetes/build')).then(
    ({ stdout }) => stdout.trim().split('\n').at(-1) ?? '',
  );
  return binaries;
}

/** Runs helm, with nothing of the user's own settings. */
export async function helm(...args: readonly string[]): Promise<HelmRun> {
  const home = await mkdtemp(path.join(tmpdir(), 'homing-helm-'));
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    HELM_CACHE_HOME: home,
    HELM_CONFIG_HOME: home,
    HELM_DATA_HOME: home,
  };
  try {
    const program = path.join(await kubernetesBinaries(), 'helm');
    const { stdout, stderr } = await run(program, args, { env, maxBuffer: 64 * 1024 * 1024 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    return failureOf(error);
  } finally {
    await rm(home, { recursive: true });
  }
}

function failureOf(error: unknown): HelmRun {
  const { code, stdout, stderr } = Object.fromEntries(Object.entries(error ?? {}));
  if (typeof code !== 'number') throw error;
  return { code, stdout: String(stdout), stderr: String(stderr) };
}

/** `helm template` with values as an object; throws what helm says where it fails. */
export async function template(
  values: object = {},
  ...args: readonly string[]
): Promise<readonly Manifest[]> {
  const { code, stdout, stderr } = await withValues(values, (file) =>
    helm('template', 'homing', chart, '--namespace', 'homing-system', '--values', file, ...args),
  );
  if (code !== 0) throw new Error(stderr);
  return manifestsOf(stdout);
}

/** Gives a file with the values, for as long as `use` takes. */
export async function withValues<T>(values: object, use: (file: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(path.join(tmpdir(), 'homing-values-'));
  const file = path.join(directory, 'values.yaml');
  try {
    await writeFile(file, JSON.stringify(values));
    return await use(file);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** A manifest, looked at by path: `manifest.at('spec', 'template')`. */
export class Manifest {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }

  get kind(): string {
    return String(this.at('kind'));
  }

  get name(): string {
    return String(this.at('metadata', 'name'));
  }

  /** Undefined where there is nothing. */
  at(...keys: readonly (string | number)[]): unknown {
    return keys.reduce<unknown>((value, key) => field(value, key), this.value);
  }

  /** A list there; empty where there is none. */
  list(...keys: readonly (string | number)[]): readonly Manifest[] {
    const value = this.at(...keys);
    return Array.isArray(value) ? value.map((item) => new Manifest(item)) : [];
  }
}

function field(value: unknown, key: string | number): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

/** YAML documents that hold an object. */
export function manifestsOf(text: string): readonly Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const value: unknown = document.toJS();
    return value === null ? [] : [new Manifest(value)];
  });
}
