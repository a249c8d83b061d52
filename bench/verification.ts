/** What it costs to believe an announcement, beside the one signature check that nobody can do without. */
import { spawnSync } from 'node:child_process';
import { verify } from 'node:crypto';
import { peekAnnouncement, signAnnouncement, verifyAnnouncement } from '../protocol/announcements.ts';
import { LeafCache } from '../protocol/certificates.ts';
import type { Subscribe } from '../protocol/documents.ts';
import { isServerId } from '../protocol/identifiers.ts';
import { type TestHome, mintHome } from '../test/support/certificates.ts';
import { type OpensslFolder, openOpensslFolder } from '../test/support/openssl.ts';
import { type Outcome, type Peer, median } from './report.ts';

/** Short enough that most batches are not interrupted, by the kernel or by a collection of garbage. */
const callsPerBatch = 20;
const rounds = 600;
const opensslRuns = 15;

export async function benchVerification(): Promise<readonly Outcome[]> {
  const home = await mintHome();
  using folder = openOpensslFolder();
  const { message, jobs } = await openJobs(home);
  const { fastest: perSecond, middle } = measure(jobs);
  const raw = { what: 'crypto.verify of P-256 alone', figure: perSecond.raw };
  const middleRatio = (middle.known / middle.raw).toFixed(2);
  const batches = `fastest of ${rounds} batches of ${callsPerBatch} in turns (their medians: ${middleRatio})`;
  const note = `${batches}; ${message.length} bytes`;
  const known = {
    what: 'announcements verified, signer known',
    figure: perSecond.known,
    unit: '1/s',
  } as const;
  return [
    { ...known, peer: raw, target: { of: 'ratio', atLeast: 0.7 }, note },
    withPeer(known, opensslSpeed(), 0.6),
    withPeer(known, opensslCms(folder, message, home), 20),
    {
      what: 'announcements verified, signer new: two signatures, one key to read',
      figure: perSecond.unknown,
      unit: '1/s',
      peer: raw,
    },
    {
      what: 'announcements told apart by the key they claim, unverified',
      figure: perSecond.peeked,
      unit: '1/s',
      peer: raw,
      target: { of: 'ratio', atLeast: 10 },
    },
  ];
}

type Job = 'raw' | 'known' | 'unknown' | 'peeked';
type Jobs = Readonly<Record<Job, () => boolean>>;

async function openJobs(home: TestHome): Promise<{ readonly message: Uint8Array; readonly jobs: Jobs }> {
  const identity = await home.server('pi');
  const nowMs = Date.now();
  const message = signAnnouncement(subscribeOf(identity.leaf.id, nowMs), identity, nowMs);
  const peeked = peekAnnouncement(message);
  if (!peeked.ok) throw new Error(peeked.detail);
  const { signedAttributes, signature } = peeked.value.message;
  const leafs = new LeafCache();
  const key = identity.leaf.publicKey.object;
  const jobs = {
    raw: () => verify('sha256', signedAttributes, key, signature),
    known: () => verifyAnnouncement(message, home.trust, nowMs, leafs).ok,
    unknown: () => verifyAnnouncement(message, home.trust, nowMs).ok,
    peeked: () => peekAnnouncement(message).ok,
  };
  for (const [name, job] of Object.entries(jobs)) if (!job()) throw new Error(`${name} says no`);
  return { message, jobs };
}

/** As a server with one IPv6 address says it. */
function subscribeOf(id: string, boot: number): Subscribe {
  if (!isServerId(id)) throw new Error(`${id} is no server's`);
  return {
    kind: 'subscribe',
    to: 'ab:*',
    from: { id, address: { ip: '192.168.1.9', port: 17_320 } },
    features: ['hcsp', 'webs', 'db'],
    connected: 3,
    max: 5,
    order: { boot, seq: 12 },
    also: [{ ip: 'fd00::9', port: 17_320 }],
  };
}

type Rates = Readonly<Record<Job, number>>;

/** Calls a second of each. In turns, so that whatever else the machine does falls on all of them. */
function measure(jobs: Jobs): { readonly fastest: Rates; readonly middle: Rates } {
  const samples = { raw: [0], known: [0], unknown: [0], peeked: [0] };
  const names = ['raw', 'known', 'unknown', 'peeked'] as const;
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) samples[name].push(runBatch(jobs[name]));
  }
  const each = (pick: (rates: readonly number[]) => number): Rates => ({
    raw: pick(samples.raw),
    known: pick(samples.known),
    unknown: pick(samples.unknown),
    peeked: pick(samples.peeked),
  });
  return { fastest: each((rates) => Math.max(...rates)), middle: each(median) };
}

function runBatch(job: () => boolean): number {
  const startMs = performance.now();
  for (let call = 0; call < callsPerBatch; call += 1) job();
  return (callsPerBatch / (performance.now() - startMs)) * 1000;
}

type Known = { readonly what: string; readonly figure: number; readonly unit: '1/s' };

function withPeer(row: Known, peer: Peer | undefined, atLeast: number): Outcome {
  return peer === undefined
    ? { what: `${row.what}, beside openssl`, skipped: 'openssl is not there' }
    : { ...row, peer, target: { of: 'ratio', atLeast } };
}

/** The machine-readable line is `+F4:KEY:BITS:SIGNS:VERIFICATIONS`, both a second. */
function opensslSpeed(): Peer | undefined {
  const { stdout } = spawnSync('openssl', ['speed', '-mr', '-seconds', '2', 'ecdsap256'], {
    encoding: 'utf8',
  });
  const figure = Number(/^\+F4:\d+:256:[\d.]+:([\d.]+)$/m.exec(stdout ?? '')?.[1]);
  return figure > 0 ? { what: 'openssl speed ecdsap256', figure } : undefined;
}

/** One process a message, as a script would do it. */
function opensslCms(folder: OpensslFolder, message: Uint8Array, { authority }: TestHome): Peer | undefined {
  const file = folder.file('message.der', message);
  const anchors = folder.file('ca.crt', authority.certificatePem);
  const times = Array.from({ length: opensslRuns }, () => {
    const startMs = performance.now();
    const options = ['-purpose', 'any', '-inform', 'DER', '-binary', '-in', file, '-CAfile', anchors];
    return folder.run('cms', '-verify', ...options).isGood ? performance.now() - startMs : Number.NaN;
  });
  const figure = 1000 / median(times);
  return figure > 0 ? { what: 'openssl cms -verify, a process a message', figure } : undefined;
}
