import { describe, expect, it } from 'vitest';
import type { OperatorMessage } from '../../../crds/operator-messages.ts';
import { Outbox } from '../../../operator/stream/outbox.ts';

const snapshot = (revision: number): OperatorMessage => ({
  kind: 'snapshot',
  revision,
  homeServers: [],
  cameraClients: [],
  secrets: [],
  trust: { revision, anchorsPem: '', denyText: '' },
  isCordoned: false,
});
const certificate = (name: string): OperatorMessage => ({ kind: 'certificate', name, certificatePem: 'x' });

describe('what waits for a slow agent', () => {
  it('is every certificate in order, and of snapshots the newest only', () => {
    const outbox = new Outbox();
    for (const message of [snapshot(1), certificate('a'), snapshot(2), certificate('b'), snapshot(3)]) {
      expect(outbox.put(message)).toBe(true);
    }
    const taken = Array.from({ length: 4 }, () => outbox.take());
    expect(taken).toEqual([certificate('a'), certificate('b'), snapshot(3), undefined]);
  });

  it('is no ping beside anything else', () => {
    const outbox = new Outbox();
    outbox.put({ kind: 'ping' });
    outbox.put({ kind: 'ping' });
    expect([outbox.take(), outbox.isEmpty]).toEqual([{ kind: 'ping' }, true]);
  });

  it('is bounded', () => {
    const outbox = new Outbox();
    const taken = Array.from({ length: 2000 }, (_, index) => outbox.put(certificate(`${index}`)));
    expect(taken.filter(Boolean)).toHaveLength(1200);
    expect(outbox.put(snapshot(1))).toBe(false);
  });
});
