import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { values } from '../../charts/values.ts';
import { formatProblem } from '../../crds/config-error.ts';
import { parseResources } from '../../agent/control/resource-files.ts';
import manifest from '../../package.json' with { type: 'json' };
import { type Manifest, manifestsOf } from '../support/helm.ts';
import { describeWith } from '../support/needs.ts';

const examples = path.join(import.meta.dirname, '../../examples');
const read = (file: string) => readFile(path.join(examples, file), 'utf8');
const one = async (file: string, kind: string, name: string): Promise<Manifest> => {
  const found = manifestsOf(await read(file)).filter((each) => each.kind === kind && each.name === name);
  expect(found).toHaveLength(1);
  return found[0] ?? Promise.reject(new Error(`no ${kind} ${name}`));
};

/** Checked deeply: a value that the chart does not know would only show at the user's. */
async function expectValues(given: unknown): Promise<void> {
  const defaults: unknown = parse(
    await readFile(path.join(examples, '../charts/homing/values.yaml'), 'utf8'),
  );
  const merged = merge(defaults, given);
  expect(values.parse(merged)).toEqual(merged);
  expect(merged).not.toEqual(defaults);
}

function merge(under: unknown, over: unknown): unknown {
  if (!isObject(under) || !isObject(over)) return over;
  const keys = new Set([...Object.keys(under), ...Object.keys(over)]);
  return Object.fromEntries(
    [...keys].map((key) => [key, key in over ? merge(under[key], over[key]) : under[key]]),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

describe('examples for a cluster', () => {
  it('give the chart values that it knows', async () => {
    const k3s = await one('k3s/homing.yaml', 'HelmChart', 'homing');
    await expectValues(parse(String(k3s.at('spec', 'valuesContent'))));
    await expectValues((await one('flux/homing.yaml', 'HelmRelease', 'homing')).at('spec', 'values'));
    const argo = await one('argo-cd/homing.yaml', 'Application', 'homing');
    await expectValues(argo.at('spec', 'source', 'helm', 'valuesObject'));
  });

  it('name the chart of this version, and its namespace', async () => {
    const k3s = await one('k3s/homing.yaml', 'HelmChart', 'homing');
    expect(k3s.at('spec', 'chart')).toContain(`/homing-${manifest.version}.tgz`);
    expect(k3s.at('spec', 'targetNamespace')).toBe('homing-system');
    expect((await one('flux/homing.yaml', 'HelmRelease', 'homing')).at('spec', 'targetNamespace')).toBe(
      'homing-system',
    );
    const argo = await one('argo-cd/homing.yaml', 'Application', 'homing');
    expect(argo.at('spec', 'destination', 'namespace')).toBe('homing-system');
    expect(argo.at('spec', 'ignoreDifferences')).toBeUndefined();
  });

  it('have a home of resources that an agent would take', async () => {
    const files = (await readdir(path.join(examples, 'flux/home'))).filter((file) => file.endsWith('.yaml'));
    expect(files).toHaveLength(3);
    for (const file of files) {
      const own = (await read(`flux/home/${file}`))
        .split(/^---$/m)
        .filter((text) => /^apiVersion: homing/m.test(text));
      const { loaded, problems } = parseResources(file, own.join('\n---\n'));
      expect(problems.map(formatProblem)).toEqual([]);
      expect(loaded.length).toBeGreaterThan(0);
    }
  });

  it('judge each of our kinds in Argo CD by the same script', async () => {
    const [map] = manifestsOf(await read('argo-cd/health.yaml'));
    const scripts = Object.entries(map?.at('data') ?? {});
    expect(scripts.map(([key]) => key)).toEqual(
      ['HomeServer', 'CameraClient', 'TrustBundle'].map(
        (kind) => `resource.customizations.health.homing.dev_${kind}`,
      ),
    );
    expect(new Set(scripts.map(([, script]) => script)).size).toBe(1);
  });
});

describeWith(['go'], 'examples for k3s and Flux', () => {
  const check = async (text: string) => {
    const child = promisify(execFile)('go', ['run', '.'], {
      cwd: path.join(import.meta.dirname, 'manifests'),
      env: { ...process.env, GOFLAGS: '-mod=readonly' },
    });
    child.child.stdin?.end(text);
    return child;
  };

  it('are read by the controllers’ own types, without a field that those don’t have', async () => {
    const { stdout } = await check(
      [await read('k3s/homing.yaml'), await read('flux/homing.yaml')].join('\n---\n'),
    );
    expect(stdout.trim().split('\n')).toEqual(
      ['HelmChart', 'OCIRepository', 'HelmRelease', 'Kustomization'].map((kind) => `${kind} is well`),
    );
    const wrong = (await read('flux/homing.yaml')).replace('chartRef:', 'chartOf:');
    await expect(check(wrong)).rejects.toMatchObject({
      stdout: expect.stringContaining('unknown field "chartOf"'),
    });
  }, 300_000);
});
