import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareCodePoints,
  encodeIdentifier,
  isClientId,
  isClientName,
  isServerId,
  isServerName,
} from '../../protocol/identifiers.ts';

describe('identifiers', () => {
  it('takes the identifiers that the figures print', () => {
    expect(isServerId('hcsp:/PtPvXYJSQsqwTJpPGjwog')).toBe(true);
    expect(isClientId('ab:EIW6Qe0ARnWrsJZTsHWada')).toBe(true);
  });

  it('makes 22 characters out of any 16 bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const text = encodeIdentifier(bytes);
        expect(isServerId(`hcsp:${text}`)).toBe(true);
        expect(isClientId(`ab:${text}`)).toBe(true);
      }),
    );
  });

  it.each([
    'hcsp:',
    'ab:*',
    'hcsp:/PtPvXYJSQsqwTJpPGjwog=',
    'HCSP:/PtPvXYJSQsqwTJpPGjwog',
    'hcsp:/PtPvXYJSQsqwTJpPGjwo\n',
  ])('refuses %j as a server identifier', (text) => {
    expect(isServerId(text)).toBe(false);
  });

  it('refuses to make an identifier of anything but 16 bytes', () => {
    expect(() => encodeIdentifier(new Uint8Array(15))).toThrow('16 bytes, not 15');
  });

  it('orders by code point, as a strict total order', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(compareCodePoints(a, b) + compareCodePoints(b, a)).toBe(0);
        expect(compareCodePoints(a, b) === 0).toBe(a === b);
      }),
    );
  });
});

describe('names', () => {
  it.each([
    ['nuc', true],
    ['pi-4', true],
    ['', false],
    ['-pi', false],
    ['Pi', false],
    ['a'.repeat(63), true],
    ['a'.repeat(64), false],
    ['../etc', false],
  ])('says of the server name %j: %s', (name, expected) => {
    expect(isServerName(name)).toBe(expected);
  });

  it.each([
    ['default/door', true],
    ['door', false],
    ['a/b/c', false],
    ['../door', false],
    ['default/', false],
  ])('says of the client name %j: %s', (name, expected) => {
    expect(isClientName(name)).toBe(expected);
  });
});
