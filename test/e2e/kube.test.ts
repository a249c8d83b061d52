import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { loadKubeConnection, type KubeConnection } from '../../operator/kube/connection.ts';
import { watchResources, type Informer } from '../../operator/kube/informer.ts';
import { configMaps, homeServers, nodes } from '../../operator/kube/kinds.ts';
import { applyObject, createObject, getObject, recordEvent } from '../../operator/kube/objects.ts';
import { placeOf } from '../../operator/kube/watch-events.ts';
import type { ResourceChange } from '../../operator/kube/resource-store.ts';
import { startControlPlane, type ControlPlane } from '../support/control-plane.ts';
import { writeServiceAccount } from '../support/hostile-api-server.ts';
import { describeWith } from '../support/needs.ts';

const generated = path.join(import.meta.dirname, '../../crds/generated');

describeWith(['kubernetes', 'openssl'], 'requests and watches of a real API server', () => {
  let plane: ControlPlane;
  let connection: KubeConnection;
  let directory: string;
  const informers: Informer[] = [];
  let restarted: ChildProcess | undefined;

  beforeAll(async () => {
    plane = await startControlPlane();
    connection = await loadKubeConnection(plane.kubeconfigPath);
    directory = await mkdtemp(path.join(tmpdir(), 'homing-kube-'));
  });
  afterAll(async () => {
    for (const informer of informers) informer.close();
    connection.close();
    restarted?.kill('SIGKILL');
    await plane.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const configMap = (name: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', labels: { test: 'many' } },
    data: { text: name },
  });

  it('lists 2,000 objects page by page, and follows each change of theirs', async () => {
    const names = Array.from({ length: 2000 }, (_, n) => `many-${n}`);
    await Promise.all(names.map((name) => createObject(connection, configMaps, configMap(name))));
    const asked: string[] = [];
    const counted: KubeConnection = {
      ...connection,
      request: (request) => {
        asked.push(request.query?.['limit'] ?? '');
        return connection.request(request);
      },
      stream: (request) => connection.stream(request),
    };
    const informer = watchResources({
      connection: counted,
      kind: configMaps,
      namespace: 'default',
      labelSelector: 'test=many',
      onChange: () => undefined,
    });
    informers.push(informer);
    await vi.waitFor(() => expect(informer.list()).toHaveLength(2000), { timeout: 60_000 });
    expect(asked).toEqual(['500', '500', '500', '500']);
    await plane.kubectl('delete', 'configmap', 'many-7');
    await plane.kubectl('patch', 'configmap', 'many-8', '-p', '{"data":{"text":"other"}}');
    await vi.waitFor(
      () => {
        expect(informer.get('default/many-7')).toBeUndefined();
        expect(informer.get('default/many-8')).toMatchObject({
          kind: 'ConfigMap',
          data: { text: 'other' },
        });
      },
      { timeout: 30_000 },
    );
    informer.close();
  });

  it("uses a pod's service account, and says which verb and resource it may not", async () => {
    await plane.kubectl('create', 'serviceaccount', 'watcher');
    const token = await plane.tokenFor({ namespace: 'default', serviceAccount: 'watcher' });
    await writeServiceAccount(directory, { ca: plane.caPem, token });
    vi.stubEnv('KUBERNETES_SERVICE_HOST', '127.0.0.1');
    vi.stubEnv('KUBERNETES_SERVICE_PORT', String(plane.port));
    const pod = await loadKubeConnection(undefined, undefined, directory);
    vi.unstubAllEnvs();
    try {
      const request = { method: 'GET', path: '/api/v1/nodes' } as const;
      await expect(pod.request(request)).rejects.toMatchObject({
        status: 403,
        reason: 'Forbidden',
        message: expect.stringMatching(
          /^GET \/api\/v1\/nodes: 403 Forbidden: .*"system:serviceaccount:default:watcher" cannot list resource "nodes"/,
        ),
      });
      await plane.kubectl('create', 'clusterrole', 'watcher', '--verb=list', '--resource=nodes');
      await plane.kubectl(
        'create',
        'clusterrolebinding',
        'watcher',
        '--clusterrole=watcher',
        '--serviceaccount=default:watcher',
      );
      await vi.waitFor(async () => expect((await pod.request(request)).status).toBe(200), {
        timeout: 30_000,
        interval: 200,
      });
    } finally {
      pod.close();
    }
  });

  it('writes nothing where the same status is applied twice, and wins over another manager', async () => {
    await plane.kubectl('apply', '-f', path.join(generated, 'homeservers.yaml'));
    await plane.kubectl('wait', '--for=condition=Established', 'crd/homeservers.homing.dev');
    const metadata = { name: 'pi' };
    await applyObject(connection, homeServers, { metadata, spec: {} });
    const status = { clients: 1, max: 16 };
    const apply = async (object: object) =>
      placeOf(
        await applyObject(connection, homeServers, { metadata, status: object }, { subresource: 'status' }),
      );
    const first = await apply(status);
    expect(await apply(status)).toEqual(first);
    const other = JSON.stringify({ status: { clients: 5 } });
    await plane.kubectl('patch', 'homeserver', 'pi', '--subresource=status', '--type=merge', '-p', other);
    expect((await apply(status))?.version).not.toBe(first?.version);
    expect(await getObject(connection, { kind: homeServers, name: 'pi' })).toMatchObject({ status });
    expect(await getObject(connection, { kind: homeServers, name: 'nobody' })).toBeUndefined();
    const again = { apiVersion: 'homing.dev/v1alpha1', kind: 'HomeServer', metadata, spec: {} };
    expect(await createObject(connection, homeServers, again)).toBe(false);
  });

  it('records an Event that kubectl describe shows', async () => {
    // kubectl looks for events by it.
    const { stdout: uid } = await plane.kubectl('get', 'homeserver', 'pi', '-o', 'jsonpath={.metadata.uid}');
    await recordEvent(connection, {
      regarding: { apiVersion: 'homing.dev/v1alpha1', kind: 'HomeServer', name: 'pi', uid },
      type: 'Normal',
      reason: 'Moved',
      action: 'Moved',
      note: '3 cameras moved',
      reportingInstance: 'homing-operator',
    });
    const { stdout } = await plane.kubectl('describe', 'homeserver', 'pi');
    expect(stdout).toMatch(/Normal +Moved .*3 cameras moved/);
  });

  it('goes on after the API server was killed and etcd was compacted, and tells what went missing', async () => {
    await plane.kubectl('create', '-f', '-', { stdin: node('goes') });
    await plane.kubectl('create', '-f', '-', { stdin: node('stays') });
    const changes: ResourceChange[] = [];
    let deaf = new AbortController();
    let isDeaf = false;
    const statuses: number[] = [];
    const informer = watchResources({
      connection: {
        ...connection,
        request: (request) => connection.request(request),
        // Nothing is heard while the cluster changes: what a partition does.
        stream: (request) =>
          isDeaf
            ? Promise.reject(new Error('deaf'))
            : connection.stream({
                ...request,
                signal: AbortSignal.any([deaf.signal, ...(request.signal ? [request.signal] : [])]),
              }),
      },
      kind: nodes,
      onChange: (change) => changes.push(change),
      onError: (error) => statuses.push(Number(Reflect.get(error, 'status') ?? -1)),
    });
    informers.push(informer);
    await vi.waitFor(() => expect(informer.list()).toHaveLength(2), { timeout: 30_000 });

    isDeaf = true;
    deaf.abort();
    await plane.kubectl('delete', 'node', 'goes');
    await plane.kubectl('create', '-f', '-', { stdin: node('comes') });
    const running = await findApiServer(plane.port);
    await kill(running);
    await compact(running.words);
    restarted = await start(running.words);
    deaf = new AbortController();
    isDeaf = false;

    await vi.waitFor(
      () =>
        expect(
          informer
            .list()
            .map((object) => placeOf(object)?.key ?? '')
            .sort(),
        ).toEqual(['comes', 'stays']),
      { timeout: 60_000 },
    );
    expect(statuses).toContain(410);
    expect(changes.filter(({ type }) => type === 'gone')).toMatchObject([{ key: 'goes' }]);
    await plane.kubectl('delete', 'node', 'stays');
    await vi.waitFor(() => expect(informer.get('stays')).toBeUndefined(), { timeout: 30_000 });
  });

  function node(name: string): string {
    return JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
  }

  async function start(words: readonly string[]): Promise<ChildProcess> {
    const [program = '', ...flags] = words;
    const child = spawn(program, flags, { stdio: 'ignore' });
    await vi.waitFor(async () => expect((await plane.kubectl('get', '--raw', '/readyz')).code).toBe(0), {
      timeout: 60_000,
      interval: 200,
    });
    return child;
  }
});

interface Running {
  readonly pid: number;
  readonly words: readonly string[];
}

async function findApiServer(port: number): Promise<Running> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const words = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0').slice(0, -1);
    const isApiServer = words[0]?.endsWith('/kube-apiserver') === true;
    if (isApiServer && words.includes(`--secure-port=${port}`)) return { pid: Number(name), words };
  }
  throw new Error('the API server does not run');
}

async function kill({ pid }: Running): Promise<void> {
  process.kill(pid, 'SIGKILL');
  // Its state is Z, or it is gone, when its ports are free.
  await vi.waitFor(
    async () => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
      expect(stat).toMatch(/\) [ZX]/);
    },
    { timeout: 30_000, interval: 20 },
  );
}

/** Forgets every older version, by etcd's own HTTP. */
async function compact(words: readonly string[]): Promise<void> {
  const url = words.find((word) => word.startsWith('--etcd-servers='))?.slice('--etcd-servers='.length);
  const ask = async (what: string, body: object): Promise<unknown> => {
    const response = await fetch(`${url}/v3/kv/${what}`, { method: 'POST', body: JSON.stringify(body) });
    expect(response.status).toBe(200);
    return await response.json();
  };
  const range = await ask('range', { key: 'AA==' });
  expect(range).toMatchObject({ header: { revision: expect.stringMatching(/^\d+$/) } });
  const { revision } = Object(Reflect.get(Object(range), 'header'));
  await ask('compaction', { revision, physical: true });
}
