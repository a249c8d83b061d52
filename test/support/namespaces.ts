/** Hosts on one network: network namespaces on a bridge in a namespace of its own, so nothing of the machine's is touched. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

export interface NamespaceHost {
  readonly name: string;
  /** The network namespace's name. */
  readonly namespace: string;
  /** 10.73.0.11, 10.73.0.12, … on `eth0`, of a /24. */
  readonly address: string;
  /** Starts a process there; it is killed with the network if it still runs. */
  start(command: string, args: readonly string[]): ChildProcess;
  /** Takes the cable out, or puts it in again. */
  setCable(isIn: boolean): void;
  /**
   * Loses what this host sends to that one, or no longer: without a word, as a broken switch port does. Only this direction,
   * and nothing of what goes to others or to a group.
   */
  setPath(to: NamespaceHost, isOpen: boolean): void;
}

export interface NamespaceNetwork extends AsyncDisposable {
  readonly hosts: readonly NamespaceHost[];
}

/** Longest interface name in Linux is 15 characters; namespaces are named alike so that a sweep finds them. */
const prefix = 'hmg';
let networks = 0;

/**
 * Makes hosts on a bridge, each with `eth0` and `lo` up. Needs root and iproute2. What an earlier run left behind because it was
 * killed is swept up first: names carry the process id, and only those of dead processes are removed.
 */
export function makeNetwork(names: readonly string[]): NamespaceNetwork {
  const base = nameNetwork();
  const bridge = `${base}-br`;
  const children = new Set<ChildProcess>();
  ip('netns', 'add', bridge);
  inNamespace(bridge, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0');
  inNamespace(bridge, 'link', 'set', 'br0', 'up');
  const hosts = names.map((name, index) => makeHost({ base, bridge, name, index, children }));
  return {
    hosts,
    async [Symbol.asyncDispose]() {
      await Promise.all([...children].map(killChild));
      for (const { namespace } of hosts) ip('netns', 'del', namespace);
      ip('netns', 'del', bridge);
    },
  };
}

/** What the namespaces of one network begin with. Sweeps up what killed runs left. */
export function nameNetwork(): string {
  sweep();
  networks += 1;
  return `${prefix}-${process.pid}-${networks}`;
}

interface HostPlace {
  readonly base: string;
  readonly bridge: string;
  readonly name: string;
  readonly index: number;
  readonly children: Set<ChildProcess>;
}

function makeHost({ base, bridge, name, index, children }: HostPlace): NamespaceHost {
  const namespace = `${base}-${name}`;
  const port = `port${index}`;
  const address = `10.73.0.${11 + index}`;
  ip('netns', 'add', namespace);
  inNamespace(bridge, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
  inNamespace(bridge, 'link', 'set', port, 'master', 'br0');
  inNamespace(bridge, 'link', 'set', port, 'up');
  inNamespace(namespace, 'link', 'set', 'lo', 'up');
  inNamespace(namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0');
  inNamespace(namespace, 'link', 'set', 'eth0', 'up');
  return {
    name,
    namespace,
    address,
    start(command, args) {
      const child = spawn('ip', ['netns', 'exec', namespace, command, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      children.add(child);
      child.once('exit', () => children.delete(child));
      return child;
    },
    setCable: (isIn) => inNamespace(bridge, 'link', 'set', port, isIn ? 'up' : 'down'),
    setPath: (to, isOpen) => {
      const neighbour = [to.address, 'dev', 'eth0'];
      if (isOpen) inNamespace(namespace, 'neigh', 'del', ...neighbour);
      else inNamespace(namespace, 'neigh', 'replace', ...neighbour, 'lladdr', nobody, 'nud', 'permanent');
    },
  };
}

/** A link-layer address that no host has. */
const nobody = '02:00:00:00:00:fe';

/** `ip netns exec` becomes the command itself, so the child's id is the command's. */
async function killChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Deletes the namespaces of runs that are gone, and ends what still runs in them. */
function sweep(): void {
  for (const namespace of ip('netns', 'list').split('\n')) {
    const [name = ''] = namespace.split(' ');
    const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    for (const left of ip('netns', 'pids', name).split('\n')) {
      if (left !== '' && isAlive(Number(left))) process.kill(Number(left), 'SIGKILL');
    }
    ip('netns', 'del', name);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** `ip -n NAMESPACE …`. */
export function inNamespace(namespace: string, ...args: string[]): void {
  ip('-n', namespace, ...args);
}

/** iproute2's `ip`; throws what it said. */
export function ip(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}
