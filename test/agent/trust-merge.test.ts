import { describe, expect, it } from 'vitest';
import { mergeTrust } from '../../agent/trust-merge.ts';
import { emptyTrust } from '../../protocol/trust.ts';
import { clientUri, mintCa, serverUri } from '../support/chains.ts';
import { trustOf } from '../support/certificates.ts';

const oldCa = mintCa({ cn: 'Old CA' });
const newCa = mintCa({ cn: 'New CA' });
const reading = (origin: string, anchorsPem: string, denyText = '') => ({ origin, anchorsPem, denyText });
const subjects = ({ anchors }: { readonly anchors: readonly { readonly subject: string }[] }) =>
  anchors.map(({ subject }) => subject);

describe('several sources of trust', () => {
  it('are united, each anchor once', () => {
    const { trust, problems } = mergeTrust(emptyTrust, [
      reading('folder', oldCa.pem, clientUri),
      reading('bundle', oldCa.pem + newCa.pem, serverUri),
    ]);
    expect(problems).toEqual([]);
    expect(subjects(trust)).toEqual(['CN=Old CA', 'CN=New CA']);
    expect([...trust.deniedIds].sort()).toEqual([clientUri, serverUri]);
  });

  it('may be one that only denies, and one without a denial', () => {
    const readings = [
      reading('folder', oldCa.pem),
      { ...reading('bundle', '', serverUri), isAnchorless: true },
    ];
    const { trust, problems } = mergeTrust(emptyTrust, readings);
    expect(problems).toEqual([]);
    expect([...trust.deniedIds]).toEqual([serverUri]);
  });

  it('let an anchor go when all can be read', () => {
    const previous = trustOf(oldCa.pem + newCa.pem);
    expect(subjects(mergeTrust(previous, [reading('folder', newCa.pem)]).trust)).toEqual(['CN=New CA']);
  });

  it('let a denial go when all can be read', () => {
    const previous = trustOf(oldCa.pem, serverUri);
    expect(mergeTrust(previous, [reading('folder', oldCa.pem)]).trust.deniedIds.size).toBe(0);
  });

  it.each([
    { what: 'cannot be read', broken: { ...reading('bundle', ''), problem: 'cannot be read: EIO' } },
    { what: 'holds a private key', broken: reading('bundle', '-----BEGIN PRIVATE KEY-----') },
    { what: 'has no certificate', broken: reading('bundle', '') },
    { what: 'has a half-written certificate', broken: reading('bundle', newCa.pem.slice(0, 200)) },
    { what: 'has a line in its deny list that is none', broken: reading('bundle', newCa.pem, 'hello') },
  ])('keep every anchor and every denial while one $what, and still deny', ({ broken }) => {
    const previous = trustOf(oldCa.pem, clientUri);
    const { trust, problems } = mergeTrust(previous, [reading('folder', newCa.pem, serverUri), broken]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^bundle/);
    expect(subjects(trust)).toEqual(['CN=Old CA']);
    expect([...trust.deniedIds].sort()).toEqual([clientUri, serverUri]);
  });

  it('still deny by the good lines of a list with a bad one', () => {
    const denyText = `hello\n${serverUri}\n${'ab'.repeat(32)}\n`;
    const { trust } = mergeTrust(trustOf(oldCa.pem), [reading('folder', oldCa.pem, denyText)]);
    expect([...trust.deniedIds, ...trust.deniedKeys]).toEqual([serverUri, 'ab'.repeat(32)]);
  });

  it('never end up without any anchor', () => {
    const { trust, problems } = mergeTrust(trustOf(oldCa.pem), [
      { ...reading('bundle', ''), isAnchorless: true },
    ]);
    expect(problems).toEqual(['no source has a certificate']);
    expect(subjects(trust)).toEqual(['CN=Old CA']);
  });
});
