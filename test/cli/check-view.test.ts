import { describe, expect, it } from 'vitest';
import { type CameraReport, concludeReport } from '../../cli/check-recordings.ts';
import { formatReport } from '../../cli/check-view.ts';

const whole: CameraReport = {
  name: 'default/door',
  stream: 'main',
  media: 'video/mp2t',
  unit: 'frames',
  terms: 1,
  frames: 900,
  lost: 0,
  repeated: 0,
  damaged: 0,
  foreign: 0,
  bytes: 5000,
  bytesLost: 0,
  bytesDamaged: 0,
  bytesUnderWay: 0,
  lostParts: [],
  problems: [],
};

function linesOf(...cameras: readonly Partial<CameraReport>[]): readonly string[] {
  return formatReport(
    concludeReport(
      cameras.map((camera) => ({ ...whole, ...camera })),
      [],
    ),
  );
}

describe('a report for people', () => {
  it('is a table and a verdict', () => {
    expect(linesOf({}, { name: 'default/yard', stream: 'sub', frames: 90, bytesUnderWay: 7 })).toEqual([
      '                    in all      lost  repeated   damaged   foreign',
      'default/door           900         0         0         0         0  frames',
      'default/yard/sub        90         0         0         0         0  frames',
      'total                  990         0         0         0         0',
      '10000 bytes: 0 lost, 0 damaged, 7 still on their way',
      'nothing is lost',
    ]);
  });

  it('says what repeated means where something is', () => {
    expect(linesOf({ repeated: 1 }).slice(2)).toEqual([
      'repeated: held by more than one file, as where two servers meet; one when joined, no harm',
      '5000 bytes: 0 lost, 0 damaged',
      'nothing is lost',
    ]);
  });

  it('says how much is lost, and the first places of it', () => {
    const lostParts = [
      { term: 7, first: 3, last: 3, offset: 100 },
      { term: 7, first: 10, last: 89, offset: 700 },
      { term: 8, first: 0, last: 1, offset: 0 },
      { term: 8, first: 9, last: 9, offset: 300 },
    ];
    expect(linesOf({ lost: 84, bytesLost: 2000, terms: 2, lostParts }).slice(2)).toEqual([
      'default/door: lost: frame 3, from byte 100 of term 7',
      'default/door: lost: frames 10 to 89, from byte 700 of term 7',
      'default/door: lost: frames 0 to 1, from byte 0 of term 8',
      'default/door: and in 1 more place',
      '5000 bytes: 2000 lost, 0 damaged',
      '84 of 900 frames lost',
    ]);
  });

  it.each([
    [{ damaged: 2, bytesDamaged: 9 }, '2 of 900 frames damaged'],
    [{ bytesLost: 188 }, '188 bytes lost'],
    [{ bytesDamaged: 1 }, '1 byte damaged'],
    [{ foreign: 1 }, 'this does not prove that nothing is lost'],
    [{ problems: ['the reference proves nothing'] }, 'this does not prove that nothing is lost'],
  ])('ends with the worst: %j', (camera, verdict) => {
    expect(linesOf(camera).at(-1)).toBe(verdict);
  });

  it('counts units of several kinds together', () => {
    expect(linesOf({ lost: 1 }, { unit: 'lines', lost: 2 }).at(-1)).toBe(
      '3 of 1800 frames, lines or bytes lost',
    );
  });

  it('says nothing of bytes where plain files were compared', () => {
    expect(linesOf({ name: 'film.ts', stream: '' })).toHaveLength(3);
  });
});
