import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../cli/program.ts';
import {
  cameraClientReasons,
  homeServerReasons,
  type ReasonNote,
} from '../operator/reconcile/condition-reasons.ts';
import type { Registry } from 'prom-client';
import { createAgentMetrics } from '../agent/metrics.ts';
import { createOperatorMetrics } from '../operator/metrics.ts';
import { eventReasons } from '../operator/reconcile/events.ts';
import { refusalReasons } from '../operator/issue/refusals.ts';
import { trustBundleReasons } from '../operator/reconcile/trust-reasons.ts';
import { expectSection } from './support/document-section.ts';

const root = path.join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

describe.each([
  ['docs/events.md', 'agent/events.ts'],
  ['docs/operator.md', 'operator/operator-events.ts'],
])('%s', (page, source) => {
  it('describes exactly the events that there are, with exactly their fields', () => {
    const types = [...read(source).matchAll(/\(?Base<'(\w+)'>( & \{([^}]*)\})?/g)];
    const declared = types.map(([, name, , body = '']) => {
      return [name, [...body.matchAll(/readonly (\w+)\??:/g)].map(([, field]) => field).join(' ')];
    });
    const rows = [...read(page).matchAll(/^\| `(\w+)` *\|[^|]*\|([^|]*)\|$/gm)];
    const described = rows.map(([, name, fields = '']) => {
      const outside = fields.replaceAll(/\([^)]*\)/g, '');
      return [name, [...outside.matchAll(/`(\w+)`/g)].map(([, field]) => field).join(' ')];
    });
    expect(described.length).toBeGreaterThan(9);
    expect(described).toEqual(declared);
  });
});

describe('docs/dependencies.md', () => {
  it('gives every dependency its reason', () => {
    const manifest = JSON.parse(read('package.json'));
    const names = ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) =>
      Object.keys(manifest[kind]),
    );
    const page = read('docs/dependencies.md');
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('ARCHITECTURE.md', () => {
  it('says of every source file what it is for, in the words of the file itself', () => {
    const folders = [...new Set(sources.map((file) => path.dirname(file)))];
    const tables = folders.map((folder) => {
      const rows = sources.filter((file) => path.dirname(file) === folder);
      return [`### ${folder}/`, '', ...rows.map((file) => `- \`${file}\`: ${dutyOf(file)}`), ''].join('\n');
    });
    expectSection('ARCHITECTURE.md', 'files', tables.join('\n'));
  });
});

describe('docs/commands.md', () => {
  it('shows the help of every command', () => {
    const pages = withSubcommands(buildProgram()).map((command) => {
      return [`## ${pathOf(command)}`, '', '```text', helpOf(command).trimEnd(), '```', ''].join('\n');
    });
    expectSection('docs/commands.md', 'help', pages.join('\n'));
  });
});

describe('docs/enrolment.md', () => {
  it('says of every refusal what it means and what to do', () => {
    const lines = Object.entries(refusalReasons).map(
      ([reason, { means, todo }]) => `- \`${reason}\`: ${means} ${todo}`,
    );
    expectSection('docs/enrolment.md', 'refusals', `${lines.join('\n')}\n`);
  });
});

describe('docs/conditions.md', () => {
  it('says of every reason what it means and what to do', () => {
    const tables = {
      HomeServer: homeServerReasons,
      CameraClient: cameraClientReasons,
      TrustBundle: trustBundleReasons,
    };
    const parts = Object.entries(tables).flatMap(([kind, types]) => [
      `## ${kind}`,
      '',
      ...Object.entries<Readonly<Record<string, ReasonNote>>>(types).flatMap(([type, reasons]) => [
        `### ${type}`,
        '',
        ...Object.entries(reasons).map(
          ([reason, { status, means, todo }]) =>
            `- \`${reason}\` (${status}): ${[means, todo].filter(Boolean).join(' ')}`,
        ),
        '',
      ]),
    ]);
    const events = Object.entries(eventReasons).map(([reason, means]) => `- \`${reason}\`: ${means}`);
    expectSection('docs/conditions.md', 'conditions', [...parts, '## Events', '', ...events, ''].join('\n'));
  });
});

describe('docs/troubleshooting.md', () => {
  it('says of every reason that is not well where to look first, and of none that there is not', () => {
    const tables = [homeServerReasons, cameraClientReasons, trustBundleReasons].flatMap((types) =>
      Object.values<Readonly<Record<string, ReasonNote>>>(types).flatMap((reasons) =>
        Object.entries(reasons),
      ),
    );
    const rows = [...read('docs/troubleshooting.md').matchAll(/^\| (`[A-Z].*?) *\|/gm)].map(
      ([, cell = '']) => cell,
    );
    const told = rows.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, reason = '']) => reason));
    const unwell = tables.filter(([, { status }]) => status === 'False').map(([reason]) => reason);
    expect([...new Set(unwell)].filter((reason) => !told.includes(reason))).toEqual([]);
    const known = new Set(tables.map(([reason]) => reason));
    expect(told.filter((reason) => !known.has(reason))).toEqual([]);
  });
});

describe('docs/metrics.md', () => {
  it('describes every metric of the operator', () => {
    expectSection('docs/metrics.md', 'operator metrics', describeMetrics(createOperatorMetrics().registry));
  });

  it('describes every metric of agents', () => {
    expectSection('docs/metrics.md', 'agent metrics', describeMetrics(createAgentMetrics().registry));
  });
});

const sources = ['protocol', 'crds', 'tls', 'agent', 'operator', 'cli', 'image', 'charts'].flatMap(sourcesIn);

/** A line for each metric: name, kind, labels, what it counts. */
function describeMetrics(registry: Registry): string {
  const lines = registry.getMetricsAsArray().map((metric) => {
    const labels: unknown = Reflect.get(metric, 'labelNames');
    const shown = Array.isArray(labels) && labels.length > 0 ? ` by ${labels.join(', ')}` : '';
    return `- \`${metric.name}\` (${String(metric.type)}${shown}): ${metric.help}`;
  });
  return [...lines, ''].join('\n');
}

/** The first sentence of the comment at the file's head. */
function dutyOf(file: string): string {
  const [, comment = ''] = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(read(file)) ?? [];
  const text = comment.replaceAll(/\s*\n \* ?/g, ' ').trim();
  const [sentence = ''] = /^.*?[.:](?=\s|$)/.exec(text) ?? [text];
  expect(sentence, `${file} begins with a comment that says what it is for`).not.toBe('');
  return sentence.replace(/:$/, '.');
}

function sourcesIn(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${folder}/${file}`)
    .toSorted();
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (more) => (text += more),
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text;
}
