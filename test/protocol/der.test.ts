import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DerReader,
  contentOf,
  derTags,
  isOid,
  oidHex,
  oidOf,
  parseDer,
  parseDerTime,
  wholeOf,
} from '../../protocol/der.ts';
import { encodeDer, encodeDerTime, encodeOid } from '../support/der-encoding.ts';

const bytes = (hex: string) => Buffer.from(hex, 'hex');
const time = (tag: number, text: string) => parseDer(encodeDer(tag, Buffer.from(text)));

describe('DER', () => {
  it.each([0, 1, 127, 128, 255, 256, 65_535, 65_536])('gives back a value of %i bytes', (length) => {
    const encoded = encodeDer(derTags.octetString, Buffer.alloc(length, 7));
    const value = parseDer(encoded);
    if (value === undefined) throw new Error('no value');
    expect(contentOf(value)).toEqual(Buffer.alloc(length, 7));
    expect(wholeOf(value)).toEqual(encoded);
  });

  it.each([
    ['nothing', ''],
    ['a tag alone', '30'],
    ['a length that is cut', '3082'],
    ['fewer bytes than the length says', '300100'.slice(0, 4)],
    ['bytes behind', '30000000'],
    ['an indefinite length', '30800000'],
    ['a long length for 127 bytes', `0481${'7f'.padEnd(256, '0')}`],
    ['a length with a leading zero', `048200ff${'00'.repeat(255)}`],
    ['a length of 127 bytes', `04ff${'01'.repeat(200)}`],
    ['a tag of several bytes', '1f8100'],
    ['end of contents', '0000'],
  ])('refuses %s', (_what, hex) => {
    expect(parseDer(bytes(hex))).toBeUndefined();
  });

  it('reads values in order and notices what is missing, wrong or left', () => {
    const value = parseDer(encodeDer(derTags.sequence, bytes('0500'), bytes('020105'), bytes('020106')));
    if (value === undefined) throw new Error('no value');
    const good = new DerReader(value);
    good.take(derTags.null);
    expect(good.isDone).toBe(false);
    expect(good.takeAll(derTags.integer, 2).map(contentOf)).toEqual([bytes('05'), bytes('06')]);
    expect(good.isDone).toBe(true);
    const wrong = new DerReader(value);
    wrong.take(derTags.oid);
    expect(wrong.takeIf(derTags.null)).toBeUndefined();
    expect(wrong.takeAll(derTags.null, 9)).toEqual([]);
    expect(wrong.isDone).toBe(false);
    const many = new DerReader(value);
    many.take(derTags.null);
    expect(many.takeAll(derTags.integer, 1)).toEqual([]);
    expect(many.isDone).toBe(false);
  });

  it('does not look into what is not constructed', () => {
    const value = parseDer(encodeDer(derTags.octetString, bytes('0500')));
    if (value === undefined) throw new Error('no value');
    expect(new DerReader(value).take(derTags.null).tag).toBe(-1);
  });

  it.each(['1.2.840.113549.1.7.2', '2.5.4.3', '1.3.132.0.34', '2.16.840.1.101.3.4.2.1'])(
    'knows the object identifier %s',
    (dotted) => {
      const value = parseDer(encodeOid(oidHex(dotted)));
      if (value === undefined) throw new Error('no value');
      expect(oidOf(value)).toBe(oidHex(dotted));
      expect(isOid(value, oidHex(dotted))).toBe(true);
      expect(isOid(value, oidHex('2.5.4.4'))).toBe(false);
    },
  );

  it('gives back any time of a certificate', () => {
    const seconds = fc.integer({ min: Date.UTC(1950, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 });
    fc.assert(
      fc.property(seconds, (second) => {
        const value = parseDer(encodeDerTime(second * 1000));
        expect(value === undefined ? undefined : parseDerTime(value)).toBe(second * 1000);
      }),
    );
  });

  it.each([
    [derTags.utcTime, '2602300000Z'],
    [derTags.utcTime, '260230000000Z'],
    [derTags.utcTime, '260101240000Z'],
    [derTags.utcTime, '260101006000Z'],
    [derTags.utcTime, '260101000060Z'],
    [derTags.utcTime, '26010100000Z'],
    [derTags.utcTime, '260101000000+0100'],
    [derTags.utcTime, '2601010000 0Z'],
    [derTags.utcTime, '260101000000'],
    [derTags.utcTime, '20260101000000Z'],
    [derTags.generalizedTime, '260101000000Z'],
    [derTags.generalizedTime, '20260101000000.5Z'],
    [derTags.generalizedTime, '20261301000000Z'],
    [derTags.utcTime, ''],
    [derTags.octetString, '260101000000Z'],
  ])('refuses the time %i %s', (tag, text) => {
    const value = time(tag, text);
    expect(value).toBeDefined();
    expect(value === undefined ? 0 : parseDerTime(value)).toBeUndefined();
  });
});
