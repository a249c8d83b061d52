import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { alerts, runbookOf } from '../../charts/alerts.ts';
import { panels } from '../../charts/dashboard.ts';
import { generatedFiles } from '../../charts/generate.ts';
import { values } from '../../charts/values.ts';
import * as cluster from '../../crds/cluster.ts';
import manifest from '../../package.json' with { type: 'json' };

const top = path.join(import.meta.dirname, '../..');
const chart = path.join(top, 'charts/homing');

describe('generated files of the chart', () => {
  it('are what their sources say (npm run chart)', async () => {
    const files = await generatedFiles();
    expect(files.size).toBeGreaterThan(4);
    for (const [file, content] of files) expect(await readFile(path.join(chart, file), 'utf8')).toBe(content);
  });
});

describe('the chart', () => {
  it('has the version of Homing, as chart and as application', async () => {
    const text = await readFile(path.join(chart, 'Chart.yaml'), 'utf8');
    expect(text).toContain(`\nversion: ${manifest.version}\n`);
    expect(text).toContain(`\nappVersion: ${manifest.version}\n`);
  });

  it('has each name as operator and agents have it', async () => {
    const names = await readFile(path.join(chart, 'templates/_names.tpl'), 'utf8');
    const defined = [...names.matchAll(/define "homing\.(\w+)" -}}([^{]+){{- end/g)].map(
      ([, name, value]) => [name, value],
    );
    expect(Object.fromEntries(defined)).toEqual({
      operator: cluster.operatorName,
      agent: cluster.agentName,
      test: 'homing-test',
      trustSecret: cluster.trustSecretName,
      caSecret: cluster.caSecretName,
      ledger: cluster.ledgerName,
      lease: cluster.leaseName,
      audience: cluster.tokenAudience,
      operatorPort: String(cluster.operatorPort),
    });
  });

  it('ships no resource of ours', async () => {
    const files = (await readdir(path.join(chart, 'templates'), { recursive: true })).filter((file) =>
      file.endsWith('.yaml'),
    );
    expect(files.length).toBeGreaterThan(10);
    for (const file of files)
      expect(await readFile(path.join(chart, 'templates', file), 'utf8')).not.toMatch(
        /^apiVersion: homing\.dev/m,
      );
  });

  it('takes its own defaults, and no value that it does not know', async () => {
    const defaults: unknown = parse(await readFile(path.join(chart, 'values.yaml'), 'utf8'));
    expect(values.parse(defaults)).toEqual(defaults);
    expect(values.safeParse({ ...values.parse(defaults), agents: {} }).success).toBe(false);
  });
});

describe('alerts and dashboard', () => {
  it('ask for metrics that there are', async () => {
    const page = await readFile(path.join(top, 'docs/metrics.md'), 'utf8');
    const known = new Set([...page.matchAll(/^- `(homing_\w+)`/gm)].map(([, name]) => name));
    const expressions = [...alerts, ...panels].map(({ expression }) => expression);
    const asked = expressions.flatMap((text) => text.match(/homing_\w+/g) ?? []);
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.filter((name) => !known.has(name.replace(/_(bucket|sum|count)$/, '')))).toEqual([]);
  });

  it('close each bracket that they open', () => {
    for (const { expression } of [...alerts, ...panels]) {
      const bare = expression.replaceAll(/"[^"]*"/g, '').replaceAll(/[^()[\]{}]/g, '');
      let left = bare;
      for (let before = ''; before !== left;) {
        before = left;
        left = left.replaceAll(/\(\)|\[\]|\{\}/g, '');
      }
      expect(`${left} left of ${expression}`).toBe(` left of ${expression}`);
    }
  });

  it('have a runbook each, and no runbook is left over', async () => {
    const pages = (await readdir(path.join(top, 'docs/runbooks'))).toSorted();
    expect(pages).toEqual(alerts.map(({ name }) => `${runbookOf(name)}.md`).toSorted());
    for (const { name } of alerts) {
      const page = await readFile(path.join(top, 'docs/runbooks', `${runbookOf(name)}.md`), 'utf8');
      expect(page.split('\n')[0]).toBe(`# ${name}`);
    }
  });
});
