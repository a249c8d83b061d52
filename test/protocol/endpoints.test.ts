import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatEndpoint, isSameEndpoint, parseEndpoint } from '../../protocol/endpoints.ts';

describe('endpoints', () => {
  it.each([
    ['192.168.1.9:17320', '192.168.1.9:17320'],
    ['[FD00:0::9]:1', '[fd00::9]:1'],
    ['[::ffff:10.0.0.1]:65535', '10.0.0.1:65535'],
    ['[::1]:443', '[::1]:443'],
  ])('read %s as %s', (text, canonical) => {
    const parsed = parseEndpoint(text);
    expect(parsed.ok && formatEndpoint(parsed.value)).toBe(canonical);
  });

  it.each([
    '',
    '192.168.1.9',
    '192.168.1.9:',
    '192.168.1.9:0',
    '192.168.1.9:65536',
    '192.168.1.9:017320',
    '192.168.1.256:1',
    '192.168.1:1',
    '0300.0.0.1:1',
    '3232235777:1',
    'fd00::9:1',
    '[fd00::9]',
    '[fe80::1%eth0]:1',
    '[192.168.1.9]:1',
    'nuc:17320',
    ' 192.168.1.9:1',
    '192.168.1.9:1 ',
    `${'1'.repeat(70)}:1`,
  ])('do not read %j', (text) => {
    expect(parseEndpoint(text)).toMatchObject({ ok: false, reason: 'endpoint' });
  });

  it('are the same after formatting and parsing', () => {
    const ports = fc.integer({ min: 1, max: 65_535 });
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), ports, (ip, port) => {
        const first = parseEndpoint(ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);
        if (!first.ok) throw new Error(first.detail);
        const second = parseEndpoint(formatEndpoint(first.value));
        expect(second.ok && isSameEndpoint(first.value, second.value)).toBe(true);
      }),
    );
  });
});
