import { describe, expect, it } from 'vitest';
import type { AgentEvent } from '../../agent/events.ts';
import { formatEvent } from '../../cli/event-lines.ts';

const time = new Date(2026, 10, 25, 12, 3, 11).toISOString();

const lines: readonly [event: AgentEvent, line: string][] = [
  [
    { event: 'started', time, server: 'pi', address: '127.0.0.1:17320', clients: 1 },
    'started       server pi at 127.0.0.1:17320 with 1 camera',
  ],
  [{ event: 'started', time, clients: 3 }, 'started       without a server with 3 cameras'],
  [
    { event: 'announced', time, server: 'pi', features: ['record'], connected: 3, max: 16 },
    'announced     pi: 3 of 16 clients, record',
  ],
  [
    {
      event: 'heard',
      time,
      server: 'nuc',
      id: 'hcsp:x',
      address: '10.0.0.2:17320',
      features: [],
      connected: 0,
      max: 0,
      via: 'multicast',
    },
    'heard         nuc at 10.0.0.2:17320 by multicast: draining, no features',
  ],
  [
    { event: 'dropped', time, reason: 'unknown-ca', detail: 'signed by "evil"', from: '10.0.0.6', count: 12 },
    'dropped       12 messages, from 10.0.0.6 (unknown-ca): signed by "evil"',
  ],
  [
    { event: 'linked', time, server: 'nuc', id: 'hcsp:x', address: '10.0.0.2:17320' },
    'linked        with nuc at 10.0.0.2:17320',
  ],
  [
    { event: 'unlinked', time, server: 'nuc', id: 'hcsp:x', reason: 'silent' },
    'link lost     with nuc: silent',
  ],
  [{ event: 'welcomed', time, client: 'default/door', server: 'pi' }, 'welcomed      default/door by pi'],
  [
    { event: 'left', time, client: 'default/door', server: 'pi', reason: 'moved' },
    'left          default/door left pi: moved',
  ],
  [
    {
      event: 'redirected',
      time,
      side: 'server',
      client: 'default/door',
      from: 'pi',
      to: 'nuc',
      reason: 'rank',
    },
    'redirected    default/door pi → nuc (rank)',
  ],
  [
    {
      event: 'redirected',
      time,
      side: 'client',
      client: 'default/door',
      from: 'pi',
      to: 'hcsp:x',
      reason: 'rank',
    },
    'redirected    default/door was asked by pi to go to hcsp:x (rank)',
  ],
  [{ event: 'configured', time, clients: 2 }, 'configured    anew, with 2 cameras'],
  [
    { event: 'refused', time, client: 'default/door', to: 'nuc', reason: 'held', retryAfterMs: 4200 },
    'refused       default/door to nuc (held) again in 5 s',
  ],
  [
    { event: 'refused', time, from: 'evil', reason: 'untrusted', detail: 'unknown CA' },
    'refused       from evil (untrusted): unknown CA',
  ],
  [
    { event: 'connected', time, client: 'default/door', to: 'nuc', milliseconds: 12.4 },
    'connected     default/door to nuc in 12 ms',
  ],
  [
    { event: 'disconnected', time, client: 'default/door', from: 'pi', reason: 'reset' },
    'disconnected  default/door from pi: reset',
  ],
  [
    { event: 'cut', time, client: 'default/door', from: 'pi', to: 'nuc', offset: 188, quality: 'idr' },
    'cut           default/door pi → nuc at byte 188 (idr)',
  ],
  [
    {
      event: 'handedOver',
      time,
      client: 'default/door',
      from: 'pi',
      to: 'nuc',
      reason: 'rank',
      milliseconds: 143.2,
      framesLost: 0,
      framesRepeated: 7,
    },
    'handed over   default/door pi → nuc (rank) in 143 ms, 0 frames lost, 7 repeated',
  ],
  [
    { event: 'recorded', time, client: 'default/door', file: 'a.ts', offset: 0, bytes: 188 },
    'recorded      default/door a.ts, 188 bytes from 0',
  ],
  [
    {
      event: 'source',
      time,
      client: 'default/door',
      ready: false,
      reason: 'Unauthorized',
      message: 'check the Secret',
    },
    'no source     default/door Unauthorized: check the Secret',
  ],
  [
    { event: 'source', time, client: 'default/door', ready: true, reason: 'Playing', message: '' },
    'source        default/door Playing',
  ],
  [{ event: 'trust', time, anchors: 1, denied: 0, message: '' }, 'trust         1 CA certificate, 0 denied'],
  [{ event: 'warning', time, reason: 'Disk', message: 'nearly full' }, 'warning       nearly full (Disk)'],
  [{ event: 'stopped', time, reason: 'signal' }, 'stopped       signal'],
];

describe('events as lines for people', () => {
  it.each(lines)('$event', (event, line) => {
    expect(formatEvent(event)).toBe(`12:03:11  ${line}`);
  });

  it('lets nobody move the cursor or colour the terminal', () => {
    const line = formatEvent({
      event: 'warning',
      time,
      reason: 'x',
      message: '\u001b[31mred\r\u202eevil\u0007\n',
    });
    // oxlint-disable-next-line no-control-regex -- those are what must not be there
    expect(line).not.toMatch(/[\u0000-\u001f\u202e]/);
  });
});
