import { describe, expect, it } from 'vitest';
import { assignResources, type Assignment } from '../../../agent/control/assignment.ts';
import { ConfigError, formatProblem } from '../../../crds/config-error.ts';
import { parseResources } from '../../../agent/control/resource-files.ts';
import { groupResources, type Resources } from '../../../agent/control/resources.ts';
import { readTrustBundles } from '../../../agent/control/trust-sources.ts';

const server = (name: string, spec = '{}'): string =>
  `apiVersion: homing.dev/v1alpha1\nkind: HomeServer\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const camera = (name: string, spec: string): string =>
  `apiVersion: homing.dev/v1alpha1\nkind: CameraClient\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const bundle = (spec: string): string =>
  `apiVersion: homing.dev/v1alpha1\nkind: TrustBundle\nmetadata: {name: home}\nspec: ${spec}\n`;
const secret = (data: string): string =>
  `apiVersion: v1\nkind: Secret\nmetadata: {name: door}\nstringData: ${data}\n`;

function resourcesOf(...documents: readonly string[]): Resources {
  const { loaded, problems } = parseResources('home.yaml', documents.join('---\n'));
  expect(problems).toEqual([]);
  return groupResources(loaded);
}

const assign = (name: string, ...documents: readonly string[]): Assignment =>
  assignResources(resourcesOf(...documents), name);

function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(formatProblem);
    throw error;
  }
  throw new Error('nothing was wrong');
}

const rtsp = '{source: {rtsp: {url: "rtsp://cam/1"}, credentialsRef: {name: door}}, bridge: {servers: [pi]}}';

describe('an agent', () => {
  it('serves as the HomeServer of its name, and bridges the cameras whose first bridge it is', () => {
    const files = [
      server('pi', '{max: 4}'),
      server('nuc'),
      camera('door', '{source: {test: {}}, bridge: {servers: [pi, nuc]}}'),
      camera('yard', '{source: {test: {}}, bridge: {servers: [nuc, pi]}}'),
    ];
    const pi = assign('pi', ...files);
    expect(pi.server?.spec.max).toBe(4);
    expect(pi.cameras.map(({ name }) => name)).toEqual(['default/door']);
    expect(assign('nuc', ...files).cameras.map(({ name }) => name)).toEqual(['default/yard']);
  });

  it('bridges cameras without a bridge where its server is the only one', () => {
    const files = [server('pi'), camera('door', '{source: {test: {fps: 5}}}')];
    const [door] = assign('pi', ...files).cameras;
    expect(door).toMatchObject({ name: 'default/door', certificateName: 'door', sourceKind: 'test' });
    expect(door?.spec.source.test).toEqual({ fps: 5, gop: 30 });
  });

  it('is client only without a HomeServer of its name', () => {
    const { server: none, cameras } = assign(
      'shed',
      server('pi'),
      camera('door', '{source: {test: {}}, bridge: {servers: [shed]}}'),
    );
    expect(none).toBeUndefined();
    expect(cameras).toHaveLength(1);
  });

  it('opens no suspended and no native camera, and knows whom its server must refuse', () => {
    const { cameras, suspendedClients } = assign(
      'pi',
      server('pi'),
      camera('door', '{source: {test: {}}, suspend: true}'),
      camera('bell', '{source: {native: {}}}'),
      camera('old-bell', '{source: {native: {}}, suspend: true}'),
    );
    expect(cameras).toEqual([]);
    expect([...suspendedClients]).toEqual(['default/door', 'default/old-bell']);
  });

  it('finds a camera its user and password in the Secret of its namespace', () => {
    const [door] = assign(
      'pi',
      server('pi'),
      camera('door', rtsp),
      secret('{username: u, password: hunter2}'),
    ).cameras;
    expect(door?.credentials).toEqual({ username: 'u', password: 'hunter2' });
  });

  it('takes data in base64, and stringData over it', () => {
    const text =
      'apiVersion: v1\nkind: Secret\nmetadata: {name: door}\ndata: {username: dQ==, password: eA==}\nstringData: {password: y}\n';
    const [door] = assign('pi', server('pi'), camera('door', rtsp), text).cameras;
    expect(door?.credentials).toEqual({ username: 'u', password: 'y' });
  });

  it('knows external servers by address, but not itself', () => {
    const files = [
      server('pi', '{external: {address: "10.0.0.1:17320"}}'),
      server('nuc', '{external: {address: "10.0.0.2:17320"}}'),
    ];
    expect(assign('pi', ...files).externalAddresses).toEqual(['10.0.0.2:17320']);
  });
});

describe('what is wrong is told at once, each at its line', () => {
  it('cameras without a bridge among several servers or none', () => {
    const lost = camera('door', '{source: {test: {}}}');
    const right = 'it must name the agent that opens the camera, like bridge: {servers: [NAME]}';
    expect(
      problemsOf(() => assign('pi', server('pi'), server('nuc'), lost, lost.replace('door', 'yard'))),
    ).toEqual([
      `home.yaml:14: spec.bridge.servers: missing: with 2 HomeServers in the files ${right}`,
      `home.yaml:19: spec.bridge.servers: missing: with 2 HomeServers in the files ${right}`,
    ]);
    expect(problemsOf(() => assign('pi', lost))).toEqual([
      `home.yaml:4: spec.bridge.servers: missing: with no HomeServer in the files ${right}`,
    ]);
  });

  it('credentials that are not in the files', () => {
    expect(problemsOf(() => assign('pi', server('pi'), camera('door', rtsp)))).toEqual([
      'home.yaml:9: spec.source.credentialsRef.name: found "door": must be a Secret in namespace default, there is none',
    ]);
    const elsewhere = secret('{username: u, password: hunter2}').replace(
      'name: door',
      'name: door, namespace: yard',
    );
    expect(problemsOf(() => assign('pi', server('pi'), camera('door', rtsp), elsewhere))).toEqual([
      'home.yaml:9: spec.source.credentialsRef.name: found "door": must be a Secret in namespace default, there are yard/door',
    ]);
    expect(
      problemsOf(() => assign('pi', server('pi'), camera('door', rtsp), secret('{pass: hunter2}'))),
    ).toEqual(['home.yaml:11: Secret door has pass: must have username and password']);
  });

  it('sources that this version cannot open', () => {
    expect(
      problemsOf(() =>
        assign(
          'pi',
          server('pi'),
          camera('a', '{source: {rtmp: {}}}'),
          camera('b', '{source: {exec: {command: x}}}'),
          camera('c', '{source: {rtsp: {url: "rtsp://cam/1", transport: UDP}}}'),
          camera('d', '{source: {test: {}, media: text/plain}}'),
          camera('e', '{source: {test: {}}, streams: [{name: sub, url: "rtsp://cam/2"}]}'),
        ),
      ),
    ).toEqual([
      'home.yaml:9: spec.source.rtmp: this version cannot open it: must be one of rtsp, http, file, test',
      'home.yaml:14: spec.source.exec: this version cannot open it: must be one of rtsp, http, file, test',
      'home.yaml:19: spec.source.rtsp.transport: found "UDP": this version takes TCP only',
      'home.yaml:24: spec.source.media: found "text/plain": must be video/mp2t with test',
      'home.yaml:29: spec.streams: this version opens the source itself only: must be left out',
    ]);
  });

  it('two cameras that would share a certificate file', () => {
    const door = camera('door', '{source: {test: {}}}');
    expect(
      problemsOf(() =>
        assign('pi', server('pi'), door, door.replace('name: door', 'name: door, namespace: yard')),
      ),
    ).toEqual([
      'home.yaml:8: metadata.name: yard/door at home.yaml:11 would use the same certificate file: must have another name',
      'home.yaml:13: metadata.name: default/door at home.yaml:6 would use the same certificate file: must have another name',
    ]);
  });

  it('a name that nobody has', () => {
    expect(problemsOf(() => assign('pii', server('pi'), server('nuc')))).toEqual([
      'no HomeServer is called "pii" in the resources, and no camera has it as its bridge: did you mean pi?',
    ]);
    expect(problemsOf(() => assign('x', server('attic')))).toEqual([
      'no HomeServer is called "x" in the resources, and no camera has it as its bridge: they name attic',
    ]);
    expect(problemsOf(() => assign('x'))).toEqual([
      'no HomeServer is called "x" in the resources, and no camera has it as its bridge: they name nobody',
    ]);
  });
});

describe('trust bundles', () => {
  const pem = '-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n';
  const configMap = (data: string): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata: ${data}\n`;

  it('give the texts of all their sources, and what they deny', () => {
    const resources = resourcesOf(
      bundle(
        `{sources: [{inline: "${pem}"}, {configMap: {name: ca}}, {secret: {name: door, key: x}}], deny: [{sha256: ${'a'.repeat(64)}}, {identifier: "hcsp:/PtPvXYJSQsqwTJpPGjwog"}]}`,
      ),
      configMap(`{ca.crt: "${pem.replace('MIIB', 'MIIC')}"}`),
      secret(`{x: "${pem.replace('MIIB', 'MIID')}"}`),
    );
    const [home] = readTrustBundles(resources);
    expect(home?.origin).toBe('TrustBundle home (home.yaml:1)');
    expect(home?.anchorsPem.match(/MII[BCD]/g)).toEqual(['MIIB', 'MIIC', 'MIID']);
    expect(home?.denyText).toBe(`${'a'.repeat(64)}\nhcsp:/PtPvXYJSQsqwTJpPGjwog\n`);
  });

  it('name what is not in the files, and a private key, without showing it', () => {
    const resources = resourcesOf(
      bundle(
        '{sources: [{configMap: {name: none}}, {configMap: {name: ca, key: x}}, {secret: {name: door, key: hunter}}]}',
      ),
      configMap('{ca.crt: ""}'),
      secret('{hunter: "-----BEGIN EC PRIVATE KEY-----hunter2"}'),
    );
    expect(problemsOf(() => readTrustBundles(resources))).toEqual([
      'home.yaml:4: spec.sources[0].configMap.name: found "none": no ConfigMap of that name is in the files',
      'home.yaml:4: spec.sources[1].configMap.key: found "x": ConfigMap ca has ca.crt',
      'home.yaml:4: spec.sources[2].secret: Secret door holds a private key under hunter: put certificates only, and treat that key as leaked',
    ]);
  });
});
