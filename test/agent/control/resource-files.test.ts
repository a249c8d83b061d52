import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, formatProblem } from '../../../crds/config-error.ts';
import { parseResources, readResources } from '../../../agent/control/resource-files.ts';
import { fuzzRounds, fuzzTimeoutMs } from '../../support/mutation.ts';
import { wrongResources } from './wrong-resources.ts';

const server = (name: string, spec = '{}'): string =>
  `apiVersion: homing.dev/v1alpha1\nkind: HomeServer\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const secretText =
  'apiVersion: v1\nkind: Secret\nmetadata: {name: door}\nstringData: {username: a, password: hunter2}\n';

describe('a wrong resource is named by file, line and field, with what was found and what would be right', () => {
  it.each(wrongResources)('$mistake', ({ text, messages }) => {
    const { loaded, problems } = parseResources('home.yaml', text);
    expect(problems.map(formatProblem)).toEqual(messages);
    expect(loaded).toEqual([]);
  });

  it('has at least 70 kinds of mistake in its table, each with a message', () => {
    expect(wrongResources.length).toBeGreaterThanOrEqual(70);
    expect(wrongResources.every(({ messages }) => messages.length > 0)).toBe(true);
  });

  it('quotes no secret in any message', () => {
    const all = wrongResources.flatMap(({ text }) => parseResources('home.yaml', text).problems);
    expect(all.map(formatProblem).join('\n')).not.toContain('hunter2');
  });
});

describe('files and folders', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'homing-resources-'));
  });
  afterEach(async () => rm(folder, { recursive: true }));

  const write = async (name: string, text: string | Uint8Array, mode = 0o600): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text);
    await chmod(path, mode);
    return path;
  };
  const problemsOf = async (path: string): Promise<readonly string[]> => {
    const error: unknown = await readResources(path).catch((thrown: unknown) => thrown);
    if (!(error instanceof ConfigError)) throw new Error('the files were taken', { cause: error });
    return error.problems.map(formatProblem);
  };

  it('reads several documents, and files in the order of their names', async () => {
    await write('b.yaml', `${server('b1')}---\n${server('b2')}---\n---\n`);
    await write('a.yml', `# nothing but a comment\n---\n${server('a')}`);
    await write(
      'c.json',
      JSON.stringify(
        { apiVersion: 'homing.dev/v1alpha1', kind: 'HomeServer', metadata: { name: 'c' }, spec: {} },
        undefined,
        '\t',
      ),
    );
    await write('.hidden.yaml', 'no: resource');
    await write('notes.txt', 'no resource');
    await mkdir(join(folder, 'folder'));
    const { homeServers } = await readResources(folder);
    expect(homeServers.map(({ resource }) => resource.metadata.name)).toEqual(['a', 'b1', 'b2', 'c']);
    expect(homeServers.map(({ document }) => document.line)).toEqual([3, 1, 6, 1]);
  });

  it('tells the mistakes of all documents of all files at once, and duplicates among what is left', async () => {
    const a = await write('a.yaml', `${server('one', '{max: -1}')}---\n${server('two')}---\n: [\n`);
    const b = await write('b.yaml', `${server('two')}---\n${server('three', '{maxx: 1}')}`);
    expect(await problemsOf(folder)).toEqual([
      `${a}:4: spec.max: found -1: must be a whole number from 0 to 100000`,
      expect.stringMatching(/^.*a\.yaml:12: /),
      `${b}:9: spec.maxx: unknown field: did you mean "max"?`,
      `${b}:3: metadata.name: HomeServer two is already at ${a}:6`,
    ]);
  });

  it('takes the same name in another kind or namespace', async () => {
    await write(
      'a.yaml',
      `${server('door')}---\n${secretText}---\n${secretText.replace('name: door', 'name: door, namespace: yard')}`,
    );
    expect((await readResources(folder)).secrets).toHaveLength(2);
  });

  it('refuses a Secret in a file that others can read', async () => {
    const path = await write('a.yaml', `${server('nuc')}---\n${secretText}`, 0o644);
    expect(await problemsOf(path)).toEqual([
      `${path}:6: holds a Secret, and others can read the file: chmod 600 ${path}`,
    ]);
    await chmod(path, 0o640);
    expect((await readResources(path)).secrets).toHaveLength(1);
  });

  it('says what is wrong with the path', async () => {
    const missing = join(folder, 'missing.yaml');
    expect(await problemsOf(missing)).toEqual([`${missing}: cannot be read: is not there`]);
    expect(await problemsOf(folder)).toEqual([`${folder}: holds no .yaml, .yml or .json file`]);
  });

  it('refuses files that are too large, no text, or no files', async () => {
    const large = await write('a.yaml', `# ${'x'.repeat(1024 * 1024)}`);
    const binary = await write('b.yaml', Buffer.from([0x61, 0xff, 0xfe]));
    const pipe = join(folder, 'c.yaml');
    execFileSync('/usr/bin/mkfifo', [pipe]);
    expect(await problemsOf(folder)).toEqual([
      `${large}: found 1048578 bytes: must be at most 1048576`,
      `${binary}: must be UTF-8 text`,
      `${pipe}: is no regular file`,
    ]);
  });

  it('refuses more than 1000 documents in a file', async () => {
    const path = await write('a.yaml', '---\na: 1\n'.repeat(1001));
    expect(await problemsOf(path)).toEqual([`${path}: holds more than 1000 documents`]);
  });

  it('refuses more than 256 files', async () => {
    await Promise.all(Array.from({ length: 257 }, async (_, index) => write(`${index}.yaml`, '')));
    expect(await problemsOf(folder)).toEqual([`${folder}: found 257 files: must be at most 256`]);
  });
});

describe('hostile texts', () => {
  const bombs: readonly [name: string, text: string, message: RegExp][] = [
    ['500,000 brackets', '['.repeat(500_000), /nested too deeply/],
    ['a billion laughs', laughs(), /aliases of aliases|aliases \(\*name\)/],
    ['101 aliases', `a: &a x\nb: [${Array(101).fill('*a').join(', ')}]\n`, /more than 100 aliases/],
    [
      '80,000 fields',
      Array.from({ length: 80_000 }, (_, index) => `k${index}: 1`).join('\n'),
      /kind: missing/,
    ],
    [
      '80,000 unknown fields',
      `${server('nuc').replace('{}\n', '\n')}${Array.from({ length: 80_000 }, (_, index) => `  k${index}: 1`).join('\n')}`,
      /unknown field/,
    ],
    ['a field of 1 MB', `${'k'.repeat(1_000_000)}: 1`, /./],
    ['__proto__', `${server('nuc')}__proto__: {max: 1}\n`, /__proto__: unknown field/],
    ['constructor', server('nuc').replace('HomeServer', 'constructor'), /found "constructor"/],
  ];
  it.each(bombs)('ends soon with a message on %s', (_name, text, message) => {
    const startedMs = performance.now();
    const { problems } = parseResources('home.yaml', text);
    expect(problems.map(formatProblem).join('\n')).toMatch(message);
    expect(performance.now() - startedMs).toBeLessThan(15_000);
  });

  it('never throws and never loses its line on mutated texts', { timeout: fuzzTimeoutMs }, () => {
    const seeds = wrongResources.map(({ text }) => text).concat(server('nuc'), secretText);
    const mutation = fc.record({
      seed: fc.constantFrom(...seeds),
      at: fc.nat(400),
      remove: fc.nat(6),
      insert: fc.oneof(
        fc.string({ maxLength: 4, unit: 'binary' }),
        fc.constantFrom(
          '\t',
          '&a ',
          '*a',
          '!!binary ',
          '---\n',
          '{',
          '[',
          '"',
          ': ',
          '- ',
          '<<: ',
          '\n',
          '? ',
        ),
      ),
    });
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        const text = mutations.map(mutate).join('---\n');
        const { loaded, problems } = parseResources('home.yaml', text);
        const lines = text.split(/\r\n|\n|\r/).length;
        for (const { line, message } of problems) {
          expect(message).not.toBe('');
          expect(line).toBeGreaterThanOrEqual(1);
          expect(line).toBeLessThanOrEqual(lines);
        }
        expect(loaded.length).toBeLessThanOrEqual(mutations.length * 4);
      }),
      { numRuns: fuzzRounds(1500), seed: 17_320 },
    );
  });
});

function mutate({
  seed,
  at,
  remove,
  insert,
}: {
  seed: string;
  at: number;
  remove: number;
  insert: string;
}): string {
  const place = at % (seed.length + 1);
  return `${seed.slice(0, place)}${insert}${seed.slice(place + remove)}`;
}

function laughs(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 10; level++) {
    lines.push(
      `a${level}: &a${level} [${Array(9)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    );
  }
  return `${lines.join('\n')}\n`;
}
