/** A home of two linked servers, a camera and a meter of acks, and a stranger on the same network who floods it. */
import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { signAnnouncement } from '../../protocol/announcements.ts';
import { everyClient, isServerId } from '../../protocol/identifiers.ts';
import { type Identity, loadIdentity } from '../../tls/identity.ts';
import { AskedProgram } from './asked-program.ts';
import type { AgentProcess, HomingProcess } from './agent-process.ts';
import { mintHome } from './certificates.ts';
import { NetworkedHome } from './networked-home.ts';
import type { TopologyHost } from './topology.ts';

const flood = z.object({ sent: z.number(), perSecond: z.number() });
const meter = z.object({ acks: z.number(), longestMs: z.number() });

export class FloodStage implements AsyncDisposable {
  readonly home: NetworkedHome;
  readonly servers: readonly [AgentProcess, AgentProcess];
  readonly camera: HomingProcess;
  readonly #mallory: TopologyHost;
  readonly #watch: AskedProgram;
  readonly #messages: readonly string[];

  /** Everybody is there, linked and streaming to the second server, `nuc`. */
  static async open(): Promise<FloodStage> {
    const home = await NetworkedHome.open(['lan']);
    try {
      return await openIn(home);
    } catch (error) {
      await home[Symbol.asyncDispose]();
      throw error;
    }
  }

  constructor(
    home: NetworkedHome,
    parts: {
      servers: readonly [AgentProcess, AgentProcess];
      camera: HomingProcess;
      mallory: TopologyHost;
      watch: AskedProgram;
      messages: readonly string[];
    },
  ) {
    this.home = home;
    this.servers = parts.servers;
    this.camera = parts.camera;
    this.#mallory = parts.mallory;
    this.#watch = parts.watch;
    this.#messages = parts.messages;
  }

  /** The acks since it was asked last, and the longest time between two of them. */
  async acks(): Promise<z.output<typeof meter>> {
    return meter.parse(await this.#watch.ask());
  }

  /** Bad announcements, also in the names of both servers; resolves when they were sent. */
  async flood(perSecond: number, seconds: number): Promise<z.output<typeof flood>> {
    const args = ['10.1.0.66', `${perSecond}`, `${seconds}`, ...this.#messages];
    return flood.parse(await startProgram(this.home, this.#mallory, 'attack-flood', args).answer());
  }

  /** A program of the stranger's, that has a client's certificate which is not its own. */
  async attackConnections(): Promise<AskedProgram> {
    await this.home.write('stolen', await this.home.certificates.client('yard/stolen'));
    const args = ['10.1.0.12', '17320', ...keysOf(this.home, 'stolen')];
    return startProgram(this.home, this.#mallory, 'attack-connections', args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]();
  }
}

async function openIn(home: NetworkedHome): Promise<FloodStage> {
  const add = (name: string, last: number) =>
    home.addHost(name, { eth0: { segment: 'lan', addresses: [`10.1.0.${last}/24`] } });
  const hosts = { pi: add('pi', 11), nuc: add('nuc', 12), cam: add('cam', 13), mallory: add('mallory', 66) };
  const [pi, nuc] = await Promise.all([
    home.startServer('pi', hosts.pi, { features: ['record'] }),
    home.startServer('nuc', hosts.nuc, { features: ['record', 'gpu'] }),
  ]);
  await Promise.all([pi.until('linked'), nuc.until('linked')]);
  const camera = await home.startCamera(hosts.cam, ['--server', '10.1.0.12:17320']);
  await camera.until('connected', ({ to }) => to === 'nuc');
  await home.write('meter', await home.certificates.client('yard/meter'));
  const watch = startProgram(home, hosts.cam, 'ack-meter', ['10.1.0.12', '17320', ...keysOf(home, 'meter')]);
  const messages = await writeMessages(home);
  return new FloodStage(home, { servers: [pi, nuc], camera, mallory: hosts.mallory, watch, messages });
}

function startProgram(
  home: NetworkedHome,
  { namespace }: TopologyHost,
  name: string,
  args: readonly string[],
): AskedProgram {
  const program = new AskedProgram(namespace, name, args);
  home.ends(() => program.kill());
  return program;
}

function keysOf(home: NetworkedHome, name: string): readonly string[] {
  return [home.path('ca.crt'), home.path(`${name}.crt`), home.path(`${name}.key`)];
}

/**
 * What the flood is made of, once its signatures are broken: messages of both servers, which are linked to each other and
 * know their own; of a server of this home that is not here; of another home's; and noise that only begins well.
 */
async function writeMessages(home: NetworkedHome): Promise<readonly string[]> {
  const stranger = await (await mintHome()).server('mallory');
  const noise = Buffer.alloc(1000, 7);
  noise.set([0x30, 0x82, 0x03, 0xe4]);
  const messages = {
    pi: announcementOf(await identityOf(home, 'pi')),
    nuc: announcementOf(await identityOf(home, 'nuc')),
    absent: announcementOf(await home.certificates.server('absent')),
    stranger: announcementOf(stranger),
    noise,
  };
  return Promise.all(
    Object.entries(messages).map(async ([name, message]) => {
      await writeFile(home.path(`${name}.der`), message);
      return home.path(`${name}.der`);
    }),
  );
}

function identityOf(home: NetworkedHome, name: string): Promise<Identity> {
  return loadIdentity(home.path(`${name}.crt`), home.path(`${name}.key`));
}

function announcementOf(identity: Identity): Uint8Array {
  const { id } = identity.leaf;
  if (!isServerId(id)) throw new Error(`${id} is no server`);
  const from = { id, address: { ip: '10.1.0.66', port: 17_320 } };
  const order = { boot: Date.now() + 86_400_000, seq: 1 };
  const says = { features: ['record', 'gpu', 'npu'], connected: 0, max: 100, order, also: [] };
  return signAnnouncement({ kind: 'subscribe', to: everyClient, from, ...says }, identity, Date.now());
}

/** User and system time, by the clock tick of Linux, 100 a second. */
export async function cpuSecondsOf({ pid }: AgentProcess): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
