import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { renderDefinitions } from '../../crds/definitions.ts';
import { cameraClient } from '../../crds/camera-client.ts';
import { homeServer } from '../../crds/home-server.ts';
import { trustBundle } from '../../crds/trust-bundle.ts';
import { fieldManager, systemNamespace } from '../../crds/cluster.ts';
import { badResources } from '../support/bad-resources.ts';
import { startControlPlane, type ControlPlane } from '../support/control-plane.ts';
import { describeWith } from '../support/needs.ts';

const root = path.join(import.meta.dirname, '../..');
const samplesFolder = path.join(root, 'examples/samples');
const samples = readdirSync(samplesFolder).map((file) =>
  readFileSync(path.join(samplesFolder, file), 'utf8'),
);
const manifests = [...renderDefinitions().values()];
const sampleCount = samples.flatMap((text) => parseAllDocuments(text)).length;

const hash = 'a'.repeat(64);
const later = '2036-11-25T12:00:00Z';
const server = (name: string, spec: object) => ({
  apiVersion: 'homing.dev/v1alpha1',
  kind: 'HomeServer',
  metadata: { name },
  spec,
});
const camera = (name: string, spec: object) => ({
  apiVersion: 'homing.dev/v1alpha1',
  kind: 'CameraClient',
  metadata: { name, namespace: systemNamespace },
  spec,
});

const bundle = (name: string, deny: readonly object[]) => ({
  apiVersion: 'homing.dev/v1alpha1',
  kind: 'TrustBundle',
  metadata: { name },
  spec: { deny },
});

const rtspOf = (name: string, url: string) => camera(name, { source: { rtsp: { url } } });
const intervalOf = (name: string, interval: string) => server(name, { announce: { interval } });
const sizeOf = (name: string, maxSize: string) =>
  server(name, { sinks: [{ name: 'a', record: { maxSize } }] });
const peerOf = (name: string, peer: string) => server(name, { peers: [peer] });

/** Texts that Go, RE2, CEL and JavaScript might take for different things. */
const edgeValues = [
  ...'rtsp:// rtsp:///p rtsp://:554/ rtsp:cam rtsp:/cam //cam/ rtsp://[::1]/ rtsp://[::1 rtsp://[fe80::1%25eth0]/'
    .split(' ')
    .map((value) => [value, 'url'] as const),
  ...'rtsp://cam rtsp://cam:0/ rtsp://cam:/ rtsp://cam:99999/ rtsp://cam:port/ rtsp://cam:1:1/ RTSP://CAM/ rtsps://cam:322/x'
    .split(' ')
    .map((value) => [value, 'url'] as const),
  ...'rtsp://cam/%zz rtsp://cam#f rtsp://a%40b/ rtsp://c_m/ rtsp://-/ rtsp://cam?x=a@b rtsp://cam/@x rtsp://@cam/ rtsp://cäm/'
    .split(' ')
    .map((value) => [value, 'url'] as const),
  ...'1h30m 1.5m 10000ms +10s -10s 0 1s 5m 5m1s 999ms .5m 1.m 10S 1m0s 2µs 300.0s 0.1h ٣s 1e1s'
    .split(' ')
    .map((value) => [value, 'interval'] as const),
  ...['1m 1s', '10s ', ''].map((value) => [value, 'interval'] as const),
  ...'1e3 1E 1E1 0.5 +5Gi -5Gi 5ki 5Ki 1.5Gi 1e-3 1e .5 5. 100m 0 00 1n 1.1234567890 1e10 1e99 1e+3 0x10 1_0'
    .split(' ')
    .map((value) => [value, 'maxSize'] as const),
  ...['9'.repeat(18), '9'.repeat(19), '9'.repeat(20), '1 Gi', ''].map((value) => [value, 'maxSize'] as const),
  ...'a:1 a:01 a:65535 a:65536 [::]:1 [::]: a..b:1 -:1'.split(' ').map((value) => [value, 'peer'] as const),
];

const parsers = { HomeServer: homeServer, CameraClient: cameraClient, TrustBundle: trustBundle };

function parserOf(kind: string) {
  const parser = Object.entries(parsers).find(([name]) => name === kind)?.[1];
  if (parser === undefined) throw new Error(`no parser of ${kind}`);
  return parser;
}

describeWith(['kubernetes', 'openssl'], 'the custom resource definitions at a real API server', () => {
  let plane: ControlPlane;

  /** What kubectl printed; fails where kubectl does. */
  async function kubectl(...args: Parameters<ControlPlane['kubectl']>): Promise<string> {
    const { code, stdout, stderr } = await plane.kubectl(...args);
    expect(`${code} ${code === 0 ? '' : stderr}`).toBe('0 ');
    return stdout;
  }
  const apply = async (object: object, ...flags: readonly string[]) =>
    await kubectl('apply', '--filename=-', ...flags, { stdin: JSON.stringify(object) });
  /** What is said of an object that must be refused. */
  async function refusalOf(object: object): Promise<string> {
    const stdin = JSON.stringify(object);
    const { code, stderr } = await plane.kubectl('apply', '--filename=-', { stdin });
    expect(code).toBe(1);
    return stderr;
  }
  const get = async (...words: readonly string[]) =>
    JSON.parse(await kubectl('get', ...words, '--output=json'));
  const writeStatus = async (object: object, status: object) =>
    await apply(
      { ...object, spec: undefined, status },
      '--server-side',
      '--subresource=status',
      `--field-manager=${fieldManager}`,
    );

  beforeAll(async () => {
    plane = await startControlPlane();
    const stdin = manifests.join('\n---\n');
    await kubectl('create', '--filename=-', { stdin });
    await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=20s');
    await kubectl('create', 'namespace', systemNamespace);
  });
  afterAll(() => plane.stop());

  it('are taken as structural, without a warning and as they are written: GitOps tools see no drift', async () => {
    const { items } = await get('crds');
    expect(items).toHaveLength(3);
    for (const { status } of items) {
      const types = status.conditions.map(({ type }: { type: string }) => type);
      expect(types).not.toContain('NonStructuralSchema');
    }
    // A second manager says the same; what the API server had changed would be a conflict.
    const stdin = manifests.join('\n---\n');
    const flags = ['--server-side', '--dry-run=server', '--field-manager=git'];
    const again = await plane.kubectl('apply', ...flags, '--filename=-', { stdin });
    expect(again.stderr).toBe('');
  });

  it('are found by their short names and as one category', async () => {
    const table = await kubectl(
      'api-resources',
      '--api-group=homing.dev',
      '--categories=homing',
      '--no-headers',
    );
    const rows = table
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/).slice(0, 2));
    expect(rows).toEqual([
      ['cameraclients', 'cam'],
      ['homeservers', 'hs'],
      ['trustbundles', 'trust'],
    ]);
  });

  describe('a good resource', () => {
    it('is applied, and applied again without a change', async () => {
      const stdin = samples.join('\n---\n');
      const first = await kubectl('apply', '--filename=-', { stdin });
      expect(first.match(/ created$/gm)).toHaveLength(sampleCount);
      const again = await kubectl('apply', '--filename=-', { stdin });
      expect(again.match(/ unchanged$/gm)).toHaveLength(sampleCount);
      const { items } = await get('homing', '--all-namespaces');
      expect(items).toHaveLength(sampleCount);
      for (const { metadata } of items) expect(metadata.generation).toBe(1);
      const { code, stdout } = await plane.kubectl('diff', '--filename=-', { stdin });
      expect(`${code} ${stdout}`).toBe('0 ');
    });

    it('is the same by server-side apply, as GitOps tools do it', async () => {
      const stdin = samples.join('\n---\n');
      const flags = ['--server-side', '--force-conflicts', '--field-manager=git'];
      await kubectl('apply', ...flags, '--filename=-', { stdin });
      const { items } = await get('homing', '--all-namespaces');
      for (const { metadata } of items) expect(metadata.generation).toBe(1);
    });

    it('keeps its lists as they were written: nothing is added inside of them', async () => {
      await apply(server('lists', { sinks: [{ name: 'disk', record: {} }] }));
      const { spec } = await get('hs', 'lists');
      expect(spec).toEqual({ max: 16, drain: 'OnCordon', sinks: [{ name: 'disk', record: {} }] });
    });

    it('leaves out what it was created without, when lists come later', async () => {
      const flags = ['--server-side', '--field-manager=git'];
      await apply(server('later', {}), ...flags);
      await apply(server('later', { sinks: [{ name: 'players', live: {} }] }), ...flags);
      expect((await get('hs', 'later')).spec.sinks).toEqual([{ name: 'players', live: {} }]);
    });
  });

  describe('two managers', () => {
    it('each have their own items of sets and of lists with a key', async () => {
      const by = async (manager: string, spec: object) =>
        await apply(server('shared', spec), '--server-side', `--field-manager=${manager}`);
      await by('ann', { peers: ['nuc:17320'], sinks: [{ name: 'disk', record: { maxSize: '5Gi' } }] });
      await by('bob', { peers: ['attic:17320'], sinks: [{ name: 'players', live: {} }] });
      const merged = (await get('hs', 'shared')).spec;
      expect(merged.peers.toSorted()).toEqual(['attic:17320', 'nuc:17320']);
      expect(merged.sinks.map(({ name }: { name: string }) => name).toSorted()).toEqual(['disk', 'players']);
      await by('bob', {});
      const left = (await get('hs', 'shared')).spec;
      expect(left.peers).toEqual(['nuc:17320']);
      expect(left.sinks).toEqual([{ name: 'disk', record: { maxSize: '5Gi' } }]);
    });

    it('are told where they would overwrite each other', async () => {
      const stdin = JSON.stringify(
        server('shared', { sinks: [{ name: 'disk', record: { maxSize: '9Gi' } }] }),
      );
      const flags = ['--server-side', '--field-manager=eve', '--filename=-'];
      const { code, stderr } = await plane.kubectl('apply', ...flags, { stdin });
      expect(code).toBe(1);
      expect(stderr).toContain('conflict with "ann": .spec.sinks[name="disk"].record.maxSize');
    });

    it('cannot each say half of who is denied: that list is whole', async () => {
      await apply(bundle('shared', [{ sha256: hash }]), '--server-side', '--field-manager=ann');
      const stdin = JSON.stringify(bundle('shared', [{ identifier: 'ab:EIW6Qe0ARnWrsJZTsHWada' }]));
      const flags = ['--server-side', '--field-manager=bob', '--filename=-'];
      const { stderr } = await plane.kubectl('apply', ...flags, { stdin });
      expect(stderr).toContain('conflict with "ann": .spec.deny');
    });
  });

  describe('columns', () => {
    const ready = {
      type: 'Ready',
      status: 'True',
      reason: 'WellDone',
      message: 'all is well',
      lastTransitionTime: later,
      observedGeneration: 1,
    };
    const rows: readonly (readonly [object, object, string, RegExp])[] = [
      [
        server('shown', {}),
        {
          observedGeneration: 1,
          address: '192.168.1.9:17320',
          level: 3,
          max: 8,
          clients: 5,
          rank: 1,
          heardBy: '2/3',
          selection: { best: 'shown', reason: 'level 3 against 2', time: later },
          certificate: { notAfter: later },
          agent: { version: '0.1.0' },
          conditions: [ready],
        },
        'NAME|READY|CLIENTS|MAX|LEVEL|RANK|HEARD|WHY|ADDRESS|REASON|VERSION|CERT|AGE',
        // A date to come as it is: kubectl shows columns of type date as the time since.
        /^shown\|True\|5\|8\|3\|1\|2\/3\|level 3 against 2\|192\.168\.1\.9:17320\|WellDone\|0\.1\.0\|2036-11-25T12:00:00Z\|\d+s$/,
      ],
      [
        camera('shown', { source: { test: {} } }),
        {
          server: 'nuc',
          bridge: 'pi4',
          media: 'video/mp2t',
          selection: { reason: 'level 3 against 2', time: later },
          framesLost: 0,
          lastHandover: { from: 'pi4', to: 'nuc', reason: 'rank', time: '2020-01-01T00:00:00Z' },
          conditions: [ready],
        },
        'NAME|READY|SERVER|WHY|MOVED|LOST|BRIDGE|MEDIA|REASON|AGE',
        /^shown\|True\|nuc\|level 3 against 2\|\d+y\d*d?\|0\|pi4\|video\/mp2t\|WellDone\|\d+s$/,
      ],
      [
        bundle('shown', [{ sha256: hash }]),
        { anchorCount: 2, synced: '2/3', conditions: [ready] },
        'NAME|READY|ANCHORS|SYNCED|REASON|AGE',
        /^shown\|True\|2\|2\/3\|WellDone\|\d+s$/,
      ],
    ];

    it.each(rows)('show what the operator writes: %#', async (object, status, head, row) => {
      await apply(object);
      await writeStatus(object, status);
      const stdin = JSON.stringify(object);
      const table = await kubectl('get', '--output=wide', '--filename=-', { stdin });
      const shown = table
        .trim()
        .split('\n')
        .map((line) => line.replaceAll(/ {2,}/g, '|'));
      expect(shown).toEqual([head, expect.stringMatching(row)]);
    });
  });

  it('are waited for by their conditions', async () => {
    await kubectl('wait', '--for=condition=Ready', 'homeserver/shown', '--timeout=5s');
    const { code, stderr } = await plane.kubectl(
      'wait',
      '--for=condition=Drained',
      'hs/shown',
      '--timeout=1s',
    );
    expect(code).toBe(1);
    expect(stderr).toContain('timed out waiting for the condition');
  });

  it('have their status and their spec written apart', async () => {
    await apply({ ...server('apart', {}), status: { rank: 1 } });
    expect((await get('hs', 'apart')).status).toBeUndefined();
    await writeStatus(server('apart', {}), { rank: 2 });
    expect(await get('hs', 'apart')).toMatchObject({ status: { rank: 2 }, metadata: { generation: 1 } });
  });

  it.each([
    ['homeservers', 'A machine that takes camera streams, and what it may take.'],
    ['homeservers.spec.max', 'Most clients at once; 0 drains it.'],
    ['homeservers.spec.drain', 'while its node is cordoned, at once, or never.'],
    ['cam.spec.source.test.gop', 'Frames from key frame to key frame.'],
    ['trust.spec.deny.sha256', 'SHA-256 of a public key (SubjectPublicKeyInfo), never of a certificate.'],
    ['cam.status.framesLost', 'Frames that moves lost.'],
  ])('explain %s', async (field, sentence) => {
    expect((await kubectl('explain', field)).replaceAll(/\s+/g, ' ')).toContain(sentence);
  });

  describe('what is fixed at creation', () => {
    const identifier = '/PtPvXYJSQsqwTJpPGjwog';
    const other = 'EIW6Qe0ARnWrsJZTsHWada';
    const source = { test: {} };

    it.each([
      ['another identifier', server('a', { identifier }), server('a', { identifier: other }), 'identifier'],
      ['an identifier that goes', server('b', { identifier }), server('b', {}), 'identifier'],
      ['an identifier that comes', server('c', {}), server('c', { identifier }), 'identifier'],
      ['a node that becomes external', server('d', {}), server('d', { external: {} }), 'external'],
      ['an external server that becomes a node', server('e', { external: {} }), server('e', {}), 'external'],
      [
        'another identifier of a camera',
        camera('f', { identifier, source }),
        camera('f', { identifier: other, source }),
        'identifier',
      ],
    ])('refuses %s', async (_what, before, after, field) => {
      await apply(before);
      expect(await refusalOf(after)).toContain(`${field} is fixed at creation`);
    });

    it('lets an external server come to another address and key', async () => {
      await apply(server('g', { external: { address: 'attic:17320' } }));
      await apply(server('g', { external: { address: 'attic:17321', publicKey: `sha256:${hash}` } }));
      expect((await get('hs', 'g')).metadata.generation).toBe(2);
    });
  });

  it('take exactly what readers of files take', async () => {
    const { items } = await get('homing', '--all-namespaces');
    for (const item of items) expect(parserOf(item.kind).safeParse(item).error).toBeUndefined();
    const objects = edgeValues.map(([value, field], index) => {
      const make = { url: rtspOf, interval: intervalOf, maxSize: sizeOf, peer: peerOf }[field];
      return make(`edge-${index}`, value);
    });
    const stdin = objects.map((object) => JSON.stringify(object)).join('\n---\n');
    const { stdout } = await plane.kubectl('create', '--dry-run=server', '--filename=-', { stdin });
    const taken = objects.map(({ metadata }) => stdout.includes(`/${metadata.name} created`));
    const parsed = objects.map((object) => parserOf(object.kind).safeParse(object).success);
    const differing = edgeValues.filter((_value, index) => taken[index] !== parsed[index]);
    expect(differing).toEqual([]);
    expect(new Set(taken)).toEqual(new Set([true, false]));
  });

  it('refuse a bundle of 10 MB', async () => {
    const inline = `-----BEGIN CERTIFICATE-----\n${'#'.repeat(10_000_000)}`;
    const huge = { ...bundle('huge', []), spec: { sources: [{ inline }] } };
    const flags = ['--server-side', '--filename=-'];
    const { code, stderr } = await plane.kubectl('apply', ...flags, { stdin: JSON.stringify(huge) });
    expect(code).toBe(1);
    expect(stderr).toMatch(/too large|may not be more than 262144 bytes/i);
  });

  it('refuse every bad resource, each with its sentence', async () => {
    const stdin = badResources.map(({ resource }) => JSON.stringify(resource)).join('\n---\n');
    const { stdout, stderr } = await plane.kubectl('create', '--dry-run=server', '--filename=-', { stdin });
    expect(stdout).toBe('');
    const told = stderr.split(/^(?=Error from server)/m);
    expect(told).toHaveLength(badResources.length);
    const misunderstood = badResources
      .map(({ what, fromServer }, index) => ({ what, fromServer, told: told[index]?.slice(0, 600) ?? '' }))
      .filter(({ fromServer, told: sentence }) => !sentence.includes(fromServer));
    expect(misunderstood).toEqual([]);
    expect(badResources.length).toBeGreaterThanOrEqual(60);
  });
});
