/** A home on a real API server without kubelets: an operator of this process, agents as real processes, pods only on paper. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { makeDefinitions } from '../../crds/definitions.ts';
import { conditions } from '../../crds/metadata.ts';
import { runOperator, type RunningOperator } from '../../operator/operator.ts';
import type { OperatorEvent } from '../../operator/operator-events.ts';
import { AgentProcess, freePorts } from './agent-process.ts';
import { startControlPlane, type ControlPlane } from './control-plane.ts';

const namespace = 'homing-system';

/** What tests look at of a resource. */
const looked = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
    generation: z.number().optional(),
    managedFields: z
      .array(z.looseObject({ manager: z.string().optional(), subresource: z.string().optional() }))
      .optional(),
  }),
  status: z.looseObject({ conditions: conditions.optional() }).optional(),
});

export type Looked = z.output<typeof looked>;

/** Opens it, with our CRDs and the namespaces `homing-system` and `cams`. */
export async function openClusterHome(): Promise<ClusterHome> {
  const plane = await startControlPlane({ auditLog: true });
  try {
    const directory = await mkdtemp(path.join(tmpdir(), 'homing-cluster-'));
    const home = new ClusterHome(plane, directory);
    await home.prepare();
    return home;
  } catch (error) {
    await plane.stop();
    throw error;
  }
}

export class ClusterHome {
  readonly plane: ControlPlane;
  readonly directory: string;
  /** Of every operator that ran. */
  readonly events: OperatorEvent[] = [];
  readonly agents = new Map<string, AgentProcess>();
  operator: RunningOperator | undefined;
  #operatorPort = 0;

  constructor(plane: ControlPlane, directory: string) {
    this.plane = plane;
    this.directory = directory;
  }

  async prepare(): Promise<void> {
    const [port = 0] = await freePorts(1);
    this.#operatorPort = port;
    for (const definition of makeDefinitions()) await this.apply(definition);
    await this.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=20s');
    for (const name of [namespace, 'cams']) await this.kubectl('create', 'namespace', name);
    await this.kubectl('-n', namespace, 'create', 'serviceaccount', 'homing-agent');
    await this.apply(daemonSet);
  }

  /** Fails where kubectl does. */
  async kubectl(...args: readonly string[]): Promise<string> {
    const { stdout, stderr, code } = await this.plane.kubectl(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  async apply(object: object): Promise<void> {
    const stdin = JSON.stringify(object);
    const { stderr, code } = await this.plane.kubectl('apply', '--server-side', '-f', '-', { stdin });
    if (code !== 0) throw new Error(`kubectl apply ${stdin.slice(0, 200)}: ${stderr}`);
  }

  async homeServer(name: string, spec: object): Promise<void> {
    await this.apply({ apiVersion: 'homing.dev/v1alpha1', kind: 'HomeServer', metadata: { name }, spec });
  }

  async camera(name: string, spec: object): Promise<void> {
    const metadata = { name, namespace: 'cams' };
    await this.apply({ apiVersion: 'homing.dev/v1alpha1', kind: 'CameraClient', metadata, spec });
  }

  async addNode(name: string): Promise<void> {
    await this.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
    const status = { conditions: [{ type: 'Ready', status: 'True' }] };
    await this.kubectl(
      'patch',
      'node',
      name,
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify({ status }),
    );
  }

  /** A node with its HomeServer (on `lo`) and the agent's pod; its agent is not started. */
  async addServer(name: string, spec: object = {}): Promise<void> {
    const [port] = await freePorts(1);
    await this.addNode(name);
    await this.homeServer(name, {
      listen: { port },
      announce: { interfaces: ['lo'], interval: '1s' },
      sinks: [{ name: 'record', record: { keepFree: '1Mi' } }],
      ...spec,
    });
    await this.addPod(name);
  }

  async addPod(name: string): Promise<void> {
    const { uid } = (await this.get('daemonset', 'homing-agent', namespace)).metadata;
    const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'homing-agent', uid, controller: true };
    await this.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `homing-agent-${name}`, namespace, ownerReferences: [owner], labels: podLabels },
      spec: { ...podSpec, nodeName: name },
    });
  }

  /** A token as the kubelet would project it into the pod. */
  async tokenFor(name: string): Promise<string> {
    const pod = `homing-agent-${name}`;
    const { uid } = (await this.get('pod', pod, namespace)).metadata;
    const bound = ['--bound-object-kind=Pod', `--bound-object-name=${pod}`, `--bound-object-uid=${uid}`];
    const token = await this.kubectl(
      '-n',
      namespace,
      'create',
      'token',
      'homing-agent',
      '--audience=homing',
      ...bound,
    );
    const file = path.join(this.directory, `${name}.token`);
    await writeFile(file, token, { mode: 0o600 });
    return file;
  }

  async startAgent(name: string): Promise<AgentProcess> {
    const tokenFile = await this.tokenFor(name);
    const ca = await this.kubectl(
      '-n',
      namespace,
      'get',
      'secret',
      'homing-ca',
      '-o',
      String.raw`jsonpath={.data.tls\.crt}`,
    );
    const caFile = path.join(this.directory, 'ca.crt');
    await writeFile(caFile, Buffer.from(ca, 'base64'));
    const operator = [
      '--operator',
      `127.0.0.1:${this.#operatorPort}`,
      '--ca',
      caFile,
      '--token-file',
      tokenFile,
    ];
    const own = ['--name', name, '--state', path.join(this.directory, name), '--sink-health-ms', '500'];
    const agent = new AgentProcess([...operator, ...own]);
    this.agents.set(name, agent);
    return agent;
  }

  get operatorPort(): number {
    return this.#operatorPort;
  }

  /** An operator of this process, always on the same port. @param kubeconfig by default with every right */
  async startOperator(kubeconfig = this.plane.kubeconfigPath): Promise<RunningOperator> {
    this.operator = await runOperator(
      {
        kubeconfig,
        namespace,
        listen: { host: '127.0.0.1', port: this.#operatorPort },
        metrics: { host: '127.0.0.1', port: 0 },
        identity: `operator-${this.events.length}`,
        version: '0.1.0',
      },
      (event) => this.events.push(event),
    );
    return this.operator;
  }

  async get(kind: string, name: string, inNamespace = 'cams'): Promise<Looked> {
    return looked.parse(
      JSON.parse(
        await this.kubectl('-n', inNamespace, 'get', kind, name, '-o', 'json', '--show-managed-fields'),
      ),
    );
  }

  /** The resource as soon as `holds` does; fails after half a minute with what it was last. */
  async until(kind: string, name: string, holds: (object: Looked) => boolean): Promise<Looked> {
    let last: Looked | undefined;
    for (const end = Date.now() + 40_000; Date.now() < end; await sleep(200)) {
      last = await this.get(kind, name);
      if (holds(last)) return last;
    }
    throw new Error(`waiting for ${kind} ${name}: ${JSON.stringify(last?.status, undefined, 1)}`);
  }

  /** The same for the reason of a condition. */
  async untilReason(kind: string, name: string, type: string, reason: string): Promise<Looked> {
    return this.until(kind, name, (object) => reasonOf(object, type) === reason);
  }

  /** Writes that operators or agents sent to the API server since a time. */
  async writesSince(time: string): Promise<readonly string[]> {
    const log = await this.plane.auditLog();
    return log
      .filter(({ verb }) => ['create', 'update', 'patch', 'delete'].includes(verb))
      .filter(
        ({ userAgent = '', stageTimestamp }) => !userAgent.startsWith('kubectl') && stageTimestamp > time,
      )
      .filter(({ user }) => user.username === 'admin')
      .map(({ verb, requestURI }) => `${verb} ${requestURI}`);
  }

  async close(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.end('SIGKILL')));
    await this.operator?.stop('end of test');
    await this.plane.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** The reason of one condition. */
export function reasonOf({ status }: Looked, type: string): string | undefined {
  return status?.conditions?.find((condition) => condition.type === type)?.reason;
}

const podLabels = { app: 'homing-agent' };
const podSpec = {
  serviceAccountName: 'homing-agent',
  automountServiceAccountToken: false,
  containers: [{ name: 'agent', image: 'homing' }],
};
const daemonSet = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'homing-agent', namespace },
  spec: {
    selector: { matchLabels: podLabels },
    template: { metadata: { labels: podLabels }, spec: podSpec },
  },
};
