import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFfmpegLine, redactor } from '../../../agent/sources/ffmpeg-messages.ts';
import {
  type CameraAddress,
  ffconcatScript,
  ffmpegArguments,
  parseCameraUrl,
  shownAddress,
} from '../../../agent/sources/ffmpeg-script.ts';
import { openRtspSource } from '../../../agent/sources/rtsp.ts';

function address(url: string, credentials?: { username: string; password: string }): CameraAddress {
  const parsed = parseCameraUrl(url, credentials);
  if (parsed === undefined) throw new Error(`not an address: ${url}`);
  return parsed;
}

describe('the address of a camera', () => {
  it('is only of schemes that ffmpeg is used for', () => {
    for (const url of [
      'file:///etc/passwd',
      'concat:a|b',
      'pipe:0',
      'rtsp:',
      'udp://1.2.3.4',
      'rtsp://',
      '/dev/sda',
      '',
    ]) {
      expect(parseCameraUrl(url)).toBeUndefined();
    }
    for (const url of ['rtsp://cam/main', 'rtsps://cam', 'http://cam:80/x', 'rtmp://[::1]/live']) {
      expect(parseCameraUrl(url)).toBeDefined();
    }
  });

  it('is shown without user, password and query', () => {
    expect(shownAddress(address('rtsp://admin:secret@cam:554/main?password=secret'))).toBe(
      '"rtsp://cam:554/main"',
    );
  });

  it('cannot leave its quotes or its line in the script', () => {
    const hostile = "rtsp://cam/a'\nfile '/etc/passwd";
    const lines = ffconcatScript(address(hostile)).split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[1]).toMatch(/^file '[^']*'$/);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (username, password) => {
        fc.pre(username.isWellFormed() && password.isWellFormed());
        const script = ffconcatScript(address('rtsp://cam/main', { username, password }));
        expect(script.split('\n')).toHaveLength(5);
        expect(script.split('\n')[1]).toMatch(/^file 'rtsp:\/\/[^'\s]*'$/);
      }),
    );
  });

  it('is in no argument, nor are the credentials', () => {
    for (const audio of ['copy', 'aac'] as const) {
      const shown = ffmpegArguments('rtsp', { audio, times: 'made' }).join(' ');
      expect(shown).toContain('-protocol_whitelist pipe,rtsp,tcp -i pipe:0');
      expect(shown).not.toContain('nobuffer');
    }
  });
});

describe('what ffmpeg says', () => {
  // Lines that ffmpeg 5.1 printed.
  const table: readonly (readonly [string, ReturnType<typeof readFfmpegLine>])[] = [
    ['[info]   Stream #0:1: Audio: aac (LC), 44100 Hz, mono, fltp', { kind: 'audio', isPlayable: true }],
    ['[info]   Stream #0:1(eng): Audio: pcm_mulaw, 8000 Hz, mono', { kind: 'audio', isPlayable: false }],
    ['[info]     title           : Stream #0:1: Audio: pcm_mulaw', { kind: 'other' }],
    ["[info] Output #0, mpegts, to 'pipe:1':", { kind: 'output' }],
    ['[mpegts @ 0x559394d02340] [error] first pts and dts value must be set', { kind: 'noTimes' }],
    [
      '[rtsp @ 0x1] [error] method DESCRIBE failed: 401 Unauthorized',
      { kind: 'error', reason: 'Unauthorized' },
    ],
    ['[rtsp @ 0x1] [error] method SETUP failed: 453 Not Enough Bandwidth', { kind: 'error', reason: 'Busy' }],
    ['[error] pipe:0: Connection refused', { kind: 'error', reason: 'Refused' }],
    [
      '[tcp @ 0x1] [error] Failed to resolve hostname cam: Name or service not known',
      { kind: 'error', reason: 'Unreachable' },
    ],
    ['[error] pipe:0: Invalid data found when processing input', { kind: 'error', reason: 'Failed' }],
    ['', { kind: 'other' }],
  ];
  for (const [line, note] of table)
    it(`is understood: ${line}`, () => expect(readFfmpegLine(line)).toEqual(note));

  it('is shown without the secrets, however they are spelled', () => {
    const redact = redactor(
      address('rtsp://cam/main?token=t0ken', { username: 'ad min', password: "p@ss'w" }),
    );
    const shown = redact(
      "[concat] Impossible to open 'rtsp://ad%20min:p%40ss%27w@cam/main?token=t0ken' p@ss'w ad min",
    );
    for (const secret of ['p@ss', 'p%40ss', 'ad min', 'ad%20min', 't0ken'])
      expect(shown).not.toContain(secret);
    expect(shown).toContain('Impossible to open');
  });
});

describe('a camera without ffmpeg', () => {
  it('says that ffmpeg is missing, and what to do', async () => {
    const said = Promise.withResolvers<string>();
    const source = openRtspSource(
      { url: 'rtsp://127.0.0.1:9/main', ffmpeg: '/nonexistent/ffmpeg' },
      {
        onRestart: () => undefined,
        onBytes: () => undefined,
        onState: ({ ready, reason, message }) => said.resolve(`${ready} ${reason} ${message}`),
        onEnd: () => undefined,
      },
    );
    expect(await said.promise).toMatch(/^false FfmpegMissing ffmpeg is needed .* install it/);
    await source.close();
  });

  it('is refused at once where its URL is none, without repeating it', () => {
    const listener = { onRestart() {}, onBytes() {}, onState() {}, onEnd() {} };
    expect(() => openRtspSource({ url: 'ftp://admin:secret@cam' }, listener)).toThrow(/^(?!.*secret).*rtsp/);
  });
});
