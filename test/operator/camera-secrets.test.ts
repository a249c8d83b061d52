import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openCameraSecrets, type CameraSecrets } from '../../operator/camera-secrets.ts';
import { cameraNamed } from '../support/cluster-world.ts';

const login = (data: object) => ({
  status: 200,
  body: { metadata: { name: 'login', namespace: 'cams' }, data },
});
const good = login({ username: 'dQ==', password: 'cA==' });
const withLogin = (name: string, generation = 1) =>
  cameraNamed(
    name,
    { source: { rtsp: { url: 'rtsp://c/1' }, credentialsRef: { name: 'login' } } },
    { generation },
  );

describe('secrets of cameras', () => {
  let answer: { status: number; body: unknown } | Error = good;
  let asked: string[] = [];
  let changes = 0;
  let secrets: CameraSecrets;

  beforeEach(() => {
    vi.useFakeTimers();
    [answer, asked, changes] = [good, [], 0];
    secrets = openCameraSecrets({
      read: async (namespace, name) => {
        asked.push(`${namespace}/${name}`);
        if (answer instanceof Error) throw answer;
        return answer;
      },
      onChange: () => (changes += 1),
    });
  });
  afterEach(() => {
    secrets.close();
    vi.useRealTimers();
  });

  /** Lets what was asked be answered. */
  const settle = () => vi.advanceTimersByTimeAsync(0);
  const state = () => [[...secrets.secrets.keys()], [...secrets.problems.entries()]];

  it('are read when a camera names one, again when it changes, and every minute', async () => {
    secrets.follow([withLogin('door'), cameraNamed('gate')]);
    await settle();
    expect(asked).toEqual(['cams/login']);
    expect(state()).toEqual([['cams/door'], []]);
    secrets.follow([withLogin('door')]);
    await settle();
    expect(asked).toHaveLength(1);
    secrets.follow([withLogin('door', 2)]);
    await settle();
    expect(asked).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveLength(3);
    expect(changes).toBe(1);
  });

  it('are read once for cameras that share one, and not for suspended ones', async () => {
    const suspended = cameraNamed('yard', {
      suspend: true,
      source: { rtsp: { url: 'rtsp://c' }, credentialsRef: { name: 'x' } },
    });
    secrets.follow([withLogin('door'), withLogin('gate'), suspended]);
    await settle();
    expect(asked).toEqual(['cams/login']);
    expect([...secrets.secrets.keys()]).toEqual(['cams/door', 'cams/gate']);
  });

  it.each([
    ['is not there', { status: 404, body: {} }, 'SecretNotFound'],
    ['may not be read', { status: 403, body: {} }, 'SecretUnreadable'],
    ['has no password', login({ username: 'dQ==' }), 'SecretIncomplete'],
  ])('that one %s is said', async (_, reply, problem) => {
    answer = reply;
    secrets.follow([withLogin('door')]);
    await settle();
    expect(state()).toEqual([[], [['cams/door', problem]]]);
    answer = good;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(state()).toEqual([['cams/door'], []]);
    expect(changes).toBe(2);
  });

  it('stay in use where one vanishes', async () => {
    secrets.follow([withLogin('door')]);
    await settle();
    answer = { status: 404, body: {} };
    await vi.advanceTimersByTimeAsync(60_000);
    expect(state()).toEqual([['cams/door'], [['cams/door', 'SecretNotFound']]]);
  });

  it('are no other where the API server does not answer', async () => {
    secrets.follow([withLogin('door')]);
    await settle();
    answer = new Error('connection refused');
    await vi.advanceTimersByTimeAsync(180_000);
    expect(state()).toEqual([['cams/door'], []]);
    expect(changes).toBe(1);
  });

  it('are forgotten with the last camera that names them', async () => {
    secrets.follow([withLogin('door')]);
    await settle();
    secrets.follow([]);
    expect(state()).toEqual([[], []]);
    answer = { status: 404, body: {} };
    secrets.follow([withLogin('door')]);
    await settle();
    expect(state()).toEqual([[], [['cams/door', 'SecretNotFound']]]);
  });
});
