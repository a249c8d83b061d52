import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStatusSocket } from '../../agent/status-socket.ts';
import { parseResources } from '../../agent/control/resource-files.ts';
import { groupResources } from '../../agent/control/resources.ts';
import { planRank } from '../../cli/rank-plan.ts';
import { runHoming } from '../support/homing.ts';

interface ServerWords {
  readonly features?: string;
  readonly max?: number;
  readonly identifier?: string;
  readonly drain?: string;
}

function server(name: string, { features = 'record', max = 4, ...rest }: ServerWords = {}): string {
  const more = Object.entries(rest).map(([field, value]) => `, ${field}: ${value}`);
  return `---
apiVersion: homing.dev/v1alpha1
kind: HomeServer
metadata: { name: ${name} }
spec: { features: [${features}], max: ${max}${more.join('')} }
`;
}

function camera(name: string, spec = ''): string {
  return `---
apiVersion: homing.dev/v1alpha1
kind: CameraClient
metadata: { name: ${name} }
spec: { source: { test: {} }, bridge: { servers: [pi] }${spec === '' ? '' : `, ${spec}`} }
`;
}

function plan(...documents: readonly string[]) {
  const { loaded, problems } = parseResources('home.yaml', documents.join(''));
  expect(problems).toEqual([]);
  return planRank(groupResources(loaded));
}

const first = 'AAAAAAAAAAAAAAAAAAAAAA';
const second = 'BBBBBBBBBBBBBBBBBBBBBB';

describe('a plan out of resource files', () => {
  it('puts servers in the order of level, max and identifier, and says why', () => {
    const { servers } = plan(
      server('pi', { identifier: second }),
      server('attic', { identifier: first }),
      server('nuc', { features: 'record, gpu' }),
      server('big', { max: 9 }),
      server('old', { drain: 'Now' }),
    );
    expect(servers.map(({ name, why }) => `${name}: ${why}`)).toEqual([
      'nuc: before big: level 2 (record+gpu) against 1 (record)',
      'big: before attic: same level 1, max 9 against 4',
      expect.stringMatching(/^attic: before (old|pi): /),
      expect.any(String),
      expect.any(String),
    ]);
    expect(servers.find(({ name }) => name === 'old')?.why).toBe('drained: takes nobody');
  });

  it.each([
    ['the better one', camera('door'), 'nuc', []],
    ['whom its weights prefer', camera('door', 'selection: { weights: { gpu: 0, live: 5 } }'), 'pi', []],
    ['who has what it requires', camera('door', 'selection: { requires: [live] }'), 'pi', []],
    ['whoever started last', camera('door', 'selection: { mode: AnyValid }'), 'nuc', ['pi']],
  ])('gives a client to %s', (_what, document, name, tiedWith) => {
    const { clients } = plan(
      server('pi', { features: 'record, live' }),
      server('nuc', { features: 'record, gpu, x' }),
      document,
    );
    expect(clients).toMatchObject([{ name: 'default/door', server: name, tiedWith }]);
  });

  it('shows a tie that only identifiers decide, and decides it where the files say them', () => {
    const [tied] = plan(server('pi'), server('nuc'), camera('door')).clients;
    expect(tied).toMatchObject({ server: 'nuc', tiedWith: ['pi'] });
    expect(tied?.why).toContain('nothing here says whose identifier is first');
    const [decided] = plan(
      server('pi', { identifier: first }),
      server('nuc', { identifier: second }),
      camera('door'),
    ).clients;
    expect(decided).toMatchObject({
      server: 'pi',
      why: 'before nuc: same level and max, identifier first in order',
    });
  });

  it('fills the best one first, then the next, and says who is full', () => {
    const { clients, servers } = plan(
      server('pi'),
      server('nuc', { features: 'record, gpu', max: 1 }),
      camera('door'),
      camera('garden'),
    );
    expect(clients.map(({ name, server: at }) => `${name} ${at}`)).toEqual([
      'default/door nuc',
      'default/garden pi',
    ]);
    expect(clients[1]?.why).toContain('nuc would be better, but is full');
    expect(servers.map(({ clients: count }) => count)).toEqual([1, 1]);
  });

  it('says why nobody takes a client, and leaves out who is suspended', () => {
    const { clients } = plan(
      server('pi', { max: 0 }),
      server('nuc', { max: 1 }),
      camera('a'),
      camera('b'),
      camera('c', 'selection: { requires: [gpu] }'),
      camera('d', 'suspend: true'),
    );
    expect(clients.map(({ server: at, why }) => at ?? why)).toEqual([
      'nuc',
      'nobody takes it: nuc is full; pi is drained',
      'nobody takes it: nuc has no gpu; pi is drained',
      'suspended: no server takes it',
    ]);
  });
});

describe('homing rank', () => {
  let folder = '';

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'homing-rank-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('prints servers and clients, and exits with 0', { timeout: 60_000 }, async () => {
    await writeFile(join(folder, 'home.yaml'), server('pi') + server('nuc', { max: 9 }) + camera('door'));
    const { exitCode, stdout } = await runHoming(folder, 'rank', '--resources', 'home.yaml');
    expect(stdout).toContain(
      '1. nuc  level 1 (record), 1 of 9 clients  before pi: same level 1, max 9 against 4',
    );
    expect(stdout).toContain('default/door → nuc  before pi: same level 1, max 9 against 4');
    expect(exitCode).toBe(0);
  });

  it('exits with 1 where a client has no server, and says it as JSON', { timeout: 60_000 }, async () => {
    const lost = camera('door', 'selection: { requires: [gpu] }');
    await writeFile(join(folder, 'home.yaml'), server('pi') + lost);
    const { exitCode, stdout } = await runHoming(folder, 'rank', '--resources', 'home.yaml', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      servers: [{ name: 'pi', clients: 0 }],
      clients: [{ name: 'default/door', why: 'nobody takes it: pi has no gpu' }],
    });
    expect(exitCode).toBe(1);
  });

  it.each([
    ['nothing', []],
    ['both', ['--resources', 'x', '--state', 'y']],
    ['files that are not there', ['--resources', 'nowhere.yaml']],
  ])('exits with 2 for %s', { timeout: 60_000 }, async (_what, flags) => {
    const { exitCode, stdout, stderr } = await runHoming(folder, 'rank', ...flags);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).not.toBe('');
  });

  it(
    'exits with 1 where no agent runs, and where the one that runs has no server',
    { timeout: 60_000 },
    async () => {
      const nobody = await runHoming(folder, 'rank', '--state', 'state');
      expect(nobody).toMatchObject({ exitCode: 1, stdout: '' });
      expect(nobody.stderr).toContain('no agent runs');
      const clientOnly = { name: 'pi', version: '1', started: '', cameras: [], handovers: [] };
      const socket = await openStatusSocket(join(folder, 'state'), () => clientOnly);
      const answer = await runHoming(folder, 'rank', '--state', 'state');
      await socket.close();
      expect(answer).toMatchObject({ exitCode: 1, stdout: '' });
      expect(answer.stderr).toContain('runs no server');
    },
  );

  it('asks a running agent for its ranking and why clients stay', { timeout: 60_000 }, async () => {
    const socket = await openStatusSocket(join(folder, 'state'), () => runningStatus);
    const shown = await runHoming(folder, 'rank', '--state', 'state');
    const json = await runHoming(folder, 'rank', '--state', 'state', '--json');
    await socket.close();
    expect(shown.exitCode).toBe(0);
    expect(shown.stdout).toContain('nuc  3 of 16  before pi: level 2 against 1');
    expect(shown.stdout).toContain('default/door  streaming  nuc is better, but: held');
    expect(JSON.parse(json.stdout)).toMatchObject({ server: 'pi', clients: [{ name: 'default/door' }] });
  });
});

const [piId, nucId] = [`hcsp:${second}`, `hcsp:${first}`];
const runningStatus = {
  name: 'pi',
  version: '1',
  started: '',
  cameras: [],
  handovers: [],
  server: {
    id: piId,
    name: 'pi',
    endpoints: [],
    features: ['record'],
    missingFeatures: [],
    level: 1,
    max: 4,
    connected: 1,
    isDraining: false,
    clients: [{ name: 'default/door', isStreaming: true, why: 'nuc is better, but: held' }],
    peers: [
      {
        id: nucId,
        name: 'nuc',
        features: ['record', 'gpu'],
        max: 16,
        connected: 3,
        isConfirmed: true,
        hearsUs: true,
        heldForMs: 4000,
        obstacle: 'held',
      },
    ],
    ranking: [
      { id: nucId, name: 'nuc', why: 'before pi: level 2 against 1' },
      { id: piId, name: 'pi', why: 'last' },
    ],
  },
};
