import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { runHoming } from '../support/agent-process.ts';
import { type NamespaceHost, makeNetwork } from '../support/namespaces.ts';
import { describeWith } from '../support/needs.ts';

const names = ['pi', 'nuc', 'oak'] as const;
const homing = path.join(import.meta.dirname, '../../bin/homing');

/** Of an event what is looked at here. */
const eventLine = z.looseObject({
  event: z.string(),
  server: z.string().optional(),
  via: z.string().optional(),
  address: z.string().optional(),
});
type EventLine = z.infer<typeof eventLine>;

interface Agent {
  readonly host: NamespaceHost;
  readonly child: ChildProcess;
  readonly events: EventLine[];
  readonly errors: string[];
  /** Names of the servers that events of that kind are about, each once. */
  serversOf(kind: string, matches?: (event: EventLine) => boolean): readonly string[];
}

describeWith(['root', 'ip'], 'three hosts on a bridge', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'homing-namespaces-'));
    await run('ca', 'init', '--out', file('ca'));
    for (const name of names)
      await run('ca', 'issue', '--ca', file('ca'), '--server', name, '--out', directory);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const file = (name: string) => path.join(directory, name);

  async function run(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await runHoming(...args);
    if (code !== 0) throw new Error(stderr);
  }

  async function startAgent(host: NamespaceHost): Promise<Agent> {
    const { name } = host;
    const resource = { apiVersion: 'homing.dev/v1alpha1', kind: 'HomeServer', metadata: { name }, spec: {} };
    await writeFile(file(`${name}.yaml`), JSON.stringify(resource));
    const own = [
      '--cert',
      file(`${name}.crt`),
      '--key',
      file(`${name}.key`),
      '--state',
      file(`state-${name}`),
    ];
    const shared = ['--resources', file(`${name}.yaml`), '--name', name, '--trust', file('ca/ca.crt')];
    const child = host.start(homing, ['agent', ...shared, ...own, '--json']);
    const events: EventLine[] = [];
    const errors: string[] = [];
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('the agent has no pipes');
    createInterface({ input: stdout }).on('line', (line) => events.push(eventLine.parse(JSON.parse(line))));
    createInterface({ input: stderr }).on('line', (line) => errors.push(line));
    return {
      host,
      child,
      events,
      errors,
      serversOf: (kind, matches = () => true) => {
        const found = events.filter((event) => event.event === kind && matches(event));
        return [...new Set(found.map(({ server = '' }) => server))].toSorted();
      },
    };
  }

  const othersThan = ({ host }: Agent) => names.filter((name) => name !== host.name).toSorted();

  it('hear each other by multicast, call each other, and notice a cable that is pulled and put back', async () => {
    await using network = makeNetwork(names);
    const agents = await Promise.all(network.hosts.map(startAgent));
    await vi.waitFor(() => {
      for (const agent of agents) {
        expect(agent.errors).toEqual([]);
        expect(agent.serversOf('heard')).toEqual(othersThan(agent));
        expect(agent.serversOf('linked')).toEqual(othersThan(agent));
      }
    }, 30_000);
    const [pi, nuc, oak] = agents;
    if (pi === undefined || nuc === undefined || oak === undefined) throw new Error('three agents');
    // Whoever is called by a peer first hears it on that link; one of each pair was told by the network.
    for (const [one, other] of [
      [pi, nuc],
      [nuc, oak],
      [oak, pi],
    ] as const) {
      const told = [one, other].flatMap((agent) =>
        agent.serversOf('heard', ({ via }) => via === 'multicast'),
      );
      expect(told.some((name) => name === one.host.name || name === other.host.name)).toBe(true);
    }
    const linkedTo = pi.events.find(({ event, server }) => event === 'linked' && server === 'nuc');
    expect(linkedTo?.address).toBe(`${nuc.host.address}:17320`);

    oak.host.setCable(false);
    await vi.waitFor(() => {
      expect(pi.serversOf('unlinked')).toEqual(['oak']);
      expect(nuc.serversOf('unlinked')).toEqual(['oak']);
      expect(oak.serversOf('unlinked')).toEqual(['nuc', 'pi']);
    }, 15_000);
    const linksBefore = pi.events.filter(({ event }) => event === 'linked').length;
    oak.host.setCable(true);
    await vi.waitFor(() => {
      expect(pi.events.filter(({ event }) => event === 'linked').length).toBeGreaterThan(linksBefore);
      expect(oak.events.at(-1)?.event).toBe('linked');
    }, 30_000);
  });
});
