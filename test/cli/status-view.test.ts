import { describe, expect, it } from 'vitest';
import type { AgentStatus } from '../../agent/agent.ts';
import { describeStatus, parseStatus } from '../../cli/status-view.ts';

const piId = `hcsp:${'p'.repeat(22)}` as const;
const nucId = `hcsp:${'n'.repeat(22)}` as const;
const atticId = `hcsp:${'a'.repeat(22)}` as const;

const status: AgentStatus = {
  name: 'pi',
  version: '0.1.0',
  started: '2026-11-25T12:00:00.000Z',
  configuration: { isCurrent: true, time: '2026-11-25T12:00:00.000Z' },
  certificates: [{ name: 'pi', notAfter: '2028-01-01T00:00:00.000Z', isRunningOut: false }],
  server: {
    id: piId,
    name: 'pi',
    port: 17_320,
    endpoints: [{ ip: '10.0.0.1', port: 17_320 }],
    features: ['record'],
    missingFeatures: ['gpu'],
    level: 1,
    max: 4,
    connected: 1,
    isDraining: false,
    boot: 1,
    sessions: [],
    dropped: {},
    clients: [
      {
        id: `ab:${'d'.repeat(22)}`,
        name: 'default/door',
        streams: ['main'],
        term: 1,
        isStreaming: true,
        why: 'nuc is better (level 2 against 1), but: held',
      },
    ],
    peers: [
      {
        id: nucId,
        name: 'nuc',
        address: { ip: 'fd00::9', port: 17_320 },
        features: ['gpu', 'record'],
        max: 16,
        connected: 3,
        isConfirmed: true,
        hearsUs: true,
        heldForMs: 4200,
        obstacle: 'held',
      },
      {
        id: atticId,
        name: 'attic',
        features: [],
        max: 0,
        connected: 0,
        isConfirmed: false,
        hearsUs: false,
        heldForMs: 0,
        obstacle: 'unconfirmed',
      },
    ],
    ranking: [
      { id: nucId, name: 'nuc', why: 'before pi: level 2 (gpu+record) against 1 (record)' },
      { id: piId, name: 'pi', why: 'last' },
    ],
  },
  cameras: [
    {
      name: 'default/door',
      stream: 'main',
      term: 1,
      phase: 'stream',
      server: { id: piId, name: 'pi' },
      produced: 1,
      sent: 1,
      durable: 1,
      ringStart: 0,
      shareBytes: 1,
      handovers: 2,
      framesLost: 0,
      framesRepeated: 0,
      bytesLost: 0,
      bytesExposed: 0,
      moveAfterMs: 0,
      source: { ready: false, reason: 'Unreachable', message: 'no route', time: '2026-11-25T12:00:00.000Z' },
    },
  ],
  handovers: [
    {
      event: 'handedOver',
      time: '2026-11-25T12:00:01.000Z',
      client: 'default/door',
      from: 'nuc',
      to: 'pi',
      reason: 'silent',
      milliseconds: 143.4,
      framesLost: 0,
      framesRepeated: 2,
    },
  ],
};

const describeAny = (value: unknown): readonly string[] => {
  const shown = parseStatus(JSON.parse(JSON.stringify(value)));
  if (shown === undefined) throw new Error('this is no status');
  return describeStatus(shown);
};

describe('the status page', () => {
  it('shows servers with rank and why, clients, links, cameras and the last handovers', () => {
    expect(describeAny(status)).toEqual([
      'agent pi, version 0.1.0, since 2026-11-25T12:00:00.000Z',
      '',
      'server at 10.0.0.1:17320: 1 of 4 clients, level 1 (record), not announced now: gpu',
      '',
      'SERVERS, best first',
      '  1.  nuc    3 of 16  before pi: level 2 (gpu+record) against 1 (record)  held',
      '  2.  pi     1 of 4   last                                                this one',
      '  -   attic           not in the ranking: unconfirmed',
      '',
      'CLIENTS HERE',
      '  default/door  streaming  nuc is better (level 2 against 1), but: held',
      '',
      'LINKS',
      '  nuc    [fd00::9]:17320  confirmed      hears us          held down for 5 s more',
      '  attic                   not confirmed  does not hear us',
      '',
      'CAMERAS BRIDGED HERE',
      '  default/door  → pi  stream  source: Unreachable (no route)  2 handovers, 0 frames lost',
      '',
      'LAST HANDOVERS',
      '  2026-11-25T12:00:01.000Z  default/door  nuc → pi  silent  143 ms  0 frames lost',
    ]);
  });

  it('says first what a person has to do something about', () => {
    const configuration = {
      isCurrent: false,
      time: '2026-11-25T12:00:00.000Z',
      problem: 'a.yaml:1: spec: missing\nb.yaml: is not there',
    };
    const certificates = [{ name: 'pi', notAfter: '2026-12-01T00:00:00.000Z', isRunningOut: true }];
    expect(describeAny({ ...status, configuration, certificates }).slice(0, 6)).toEqual([
      'agent pi, version 0.1.0, since 2026-11-25T12:00:00.000Z',
      'its files are wrong now; what they said at 2026-11-25T12:00:00.000Z holds:',
      '  a.yaml:1: spec: missing',
      '  b.yaml: is not there',
      'the certificate of pi is to be renewed before 2026-12-01T00:00:00.000Z',
      '',
    ]);
  });

  it('says that no server runs where it is client only', () => {
    const { server: _, ...clientOnly } = { ...status, cameras: [], handovers: [] };
    expect(describeAny(clientOnly)).toEqual([
      'agent pi, version 0.1.0, since 2026-11-25T12:00:00.000Z',
      '',
      'client only: no server runs here',
    ]);
  });

  it('takes what an agent of a later version says more, and nothing that is no status', () => {
    expect(describeAny({ ...status, weather: 'fine' })).toHaveLength(21);
    for (const other of [undefined, null, 1, [], {}, { name: 'pi' }])
      expect(parseStatus(other)).toBeUndefined();
  });
});
