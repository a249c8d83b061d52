import { describe, expect, it } from 'vitest';
import { Intake, type IntakeResult, intakeDropReasons } from '../../../agent/server/intake.ts';
import { DatagramLottery } from '../../../agent/server/intake-lottery.ts';
import type { Identity } from '../../../tls/identity.ts';
import { signAnnouncement } from '../../../protocol/announcements.ts';
import { isServerId } from '../../../protocol/identifiers.ts';
import { mintHome } from '../../support/certificates.ts';
import { fuzzRounds, fuzzTimeoutMs, mutate, seededRandom } from '../../support/mutation.ts';

const unixMs = Date.now();
const home = await mintHome();
const [me, nuc, pi] = await Promise.all(['me', 'nuc', 'pi'].map((name) => home.server(name)));
const stranger = await (await mintHome()).server('nuc');
if (me === undefined || nuc === undefined || pi === undefined) throw new Error('no identities');

function sign(identity: Identity, seq: number): Uint8Array {
  const { id } = identity.leaf;
  if (!isServerId(id)) throw new Error(`${id} is no server`);
  return signAnnouncement(
    {
      kind: 'subscribe',
      to: 'ab:*',
      from: { id, address: { ip: '10.0.0.1', port: 17_320 } },
      features: ['record'],
      connected: 0,
      max: 5,
      order: { boot: 1, seq },
      also: [],
    },
    identity,
    unixMs,
  );
}

function open(random: () => number = () => 0): Intake {
  return new Intake({ ownSpkiSha256: me?.leaf.spkiSha256 ?? '', random });
}

function words(results: readonly (IntakeResult | undefined)[]): readonly string[] {
  return results.flatMap((result) => {
    if (result === undefined) return [];
    if (result.kind === 'verified') return `verified ${result.announcement.leaf.name}`;
    return result.kind === 'dropped' ? result.reason : result.kind;
  });
}

/** Offers it and ends the window. */
function hear(intake: Intake, message: Uint8Array, nowMs: number): readonly string[] {
  const offered = intake.offer(message, '10.0.0.9', nowMs);
  return words([offered, ...intake.take(nowMs + 20, unixMs, home.trust)]);
}

describe('a datagram', () => {
  it('that is good is verified at the end of its 20 ms', () => {
    const intake = open();
    expect(intake.dueAtMs).toBeUndefined();
    expect(intake.offer(sign(nuc, 1), '10.0.0.9', 100)).toBeUndefined();
    expect(intake.dueAtMs).toBe(120);
    expect(intake.take(119, unixMs, home.trust)).toEqual([]);
    const [result] = intake.take(120, unixMs, home.trust);
    expect(result).toMatchObject({
      kind: 'verified',
      from: '10.0.0.9',
      announcement: { leaf: { name: 'nuc' }, subscribe: { order: { boot: 1, seq: 1 } } },
    });
    expect(intake.dueAtMs).toBeUndefined();
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a short one', Buffer.alloc(100, 0x30)],
    ['noise', Buffer.alloc(1000, 0x41)],
    ['another length', Buffer.concat([sign(nuc, 1), Buffer.from([0])])],
    ['one that is cut', sign(nuc, 1).subarray(0, 900)],
  ])('is dropped for its first bytes: %s', (_what, bytes) => {
    expect(hear(open(), bytes, 0)).toEqual(['first-bytes']);
  });

  it('is dropped as seen when the same bytes come again, good or bad', () => {
    const intake = open();
    for (const [message, first] of [
      [sign(nuc, 1), 'verified nuc'],
      [sign(stranger, 1), 'unknown-ca'],
    ] as const) {
      expect(hear(intake, message, 0)).toEqual([first]);
      expect(hear(intake, message, 100)).toEqual(['seen']);
    }
  });

  it('is verified once where it comes twice within 20 ms', () => {
    const intake = open();
    const message = sign(nuc, 1);
    expect(intake.offer(message, 'a', 0)).toBeUndefined();
    expect(intake.offer(message, 'b', 1)).toBeUndefined();
    expect(words(intake.take(20, unixMs, home.trust))).toEqual(['verified nuc', 'seen']);
  });

  it('of our own is dropped as ours', () => {
    const intake = open();
    const message = sign(me, 1);
    intake.noteSent(message);
    expect(hear(intake, message, 0)).toEqual(['own']);
  });

  it('under our key that we did not send is told, and looked at once a second', () => {
    const intake = open();
    expect(hear(intake, sign(me, 2), 0)).toEqual(['ownMessage']);
    expect(hear(intake, sign(me, 3), 900)).toEqual(['own']);
    expect(hear(intake, sign(me, 4), 1000)).toEqual(['ownMessage']);
  });

  it('of a linked peer is dropped before any signature check', () => {
    const intake = open();
    intake.setLinked([nuc.leaf.spkiSha256]);
    expect(hear(intake, sign(nuc, 1), 0)).toEqual(['linked-peer']);
    expect(hear(intake, sign(pi, 1), 100)).toEqual(['verified pi']);
    intake.setLinked([]);
    expect(hear(intake, sign(nuc, 2), 200)).toEqual(['verified nuc']);
  });

  it('whose signature does not fit is dropped for that', () => {
    const message = Buffer.from(sign(nuc, 1));
    message[message.length - 1] = (message.at(-1) ?? 0) ^ 1;
    expect(hear(open(), message, 0)).toEqual(['signature']);
  });

  it(
    'is one of the known or dropped for a reason of the list, under 3,000 seeded mutations',
    { timeout: fuzzTimeoutMs },
    () => {
      const random = seededRandom(3);
      const goldens = [sign(nuc, 1), sign(stranger, 1), sign(me, 1)];
      const original = new Set(goldens.map((bytes) => Buffer.from(bytes).toString('base64')));
      const intake = open(random);
      const reasons = new Set<string>(intakeDropReasons);
      for (let round = 0; round < fuzzRounds(3000); round += 1) {
        const message = mutate(goldens[round % goldens.length] ?? Buffer.alloc(1), goldens, random);
        if (original.has(message.toString('base64'))) continue;
        const wrong = hear(intake, message, round * 2000).filter((word) => !reasons.has(word));
        // Only what no signature covers may differ in a message that is taken.
        expect(wrong.filter((word) => word !== 'verified nuc' && word !== 'ownMessage')).toEqual([]);
      }
    },
  );
});

describe('budgets', () => {
  /** Strangers' messages are all alike to the budget; one leaf, many texts. */
  const flood = Array.from({ length: 100 }, (_, seq) => sign(stranger, seq));

  it('pick 40 of strangers in 20 ms while no peer is linked, and 2 while one is', () => {
    for (const [linked, picks] of [
      [[], 40],
      [['somebody'], 2],
    ] as const) {
      const intake = open(seededRandom(1));
      intake.setLinked(linked);
      const offered = flood.map((message) => intake.offer(message, 'x', 0));
      const taken = intake.take(20, unixMs, home.trust);
      expect(words(taken)).toEqual(Array.from({ length: picks }, () => 'unknown-ca'));
      expect(words(offered)).toEqual(Array.from({ length: 100 - picks }, () => 'budget'));
    }
  });

  it('give the known a place of their own whatever strangers send', () => {
    const intake = open(seededRandom(1));
    expect(hear(intake, sign(nuc, 1), 0)).toEqual(['verified nuc']);
    for (const message of flood) intake.offer(message, 'x', 100);
    intake.offer(sign(nuc, 2), 'x', 110);
    expect(words(intake.take(120, unixMs, home.trust))).toContain('verified nuc');
  });

  it('let a flood under one known key crowd out only that key', () => {
    const intake = open(seededRandom(1));
    hear(intake, sign(nuc, 1), 0);
    hear(intake, sign(pi, 1), 100);
    for (let seq = 2; seq < 40; seq += 1) intake.offer(sign(nuc, seq), 'x', 200);
    intake.offer(sign(pi, 2), 'x', 210);
    expect(words(intake.take(220, unixMs, home.trust)).toSorted()).toEqual(['verified nuc', 'verified pi']);
  });

  it('hear each datagram of a window with the same chance, whenever it came', () => {
    const lottery = new DatagramLottery<number>(seededRandom(4));
    lottery.isQuiet = true;
    const wins = Array.from({ length: 50 }, () => 0);
    for (let round = 0; round < 5000; round += 1) {
      for (let ticket = 0; ticket < 50; ticket += 1) lottery.enter({ leaf: 'x', ticket }, round * 20);
      for (const winner of lottery.draw(round * 20 + 20).winners) wins[winner] = (wins[winner] ?? 0) + 1;
    }
    // 2 of 50 in 5,000 rounds are 200 each; six standard deviations are 84.
    expect(Math.min(...wins)).toBeGreaterThan(116);
    expect(Math.max(...wins)).toBeLessThan(284);
  });

  it('lose nobody without a word', () => {
    const random = seededRandom(5);
    const lottery = new DatagramLottery<number>(random);
    for (let leaf = 0; leaf < 60; leaf += 1) lottery.know(`k${leaf}`);
    let out = 0;
    for (let ticket = 0; ticket < 1000; ticket += 1) {
      const leaf = random() < 0.5 ? `k${Math.floor(random() * 60)}` : `s${ticket}`;
      if (lottery.enter({ leaf, ticket }, 0) !== undefined) out += 1;
    }
    const { winners, losers } = lottery.draw(20);
    expect(winners.length).toBe(80);
    expect(out + winners.length + losers.length).toBe(1000);
  });
});
