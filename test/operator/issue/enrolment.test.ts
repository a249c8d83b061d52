import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { glanceAtToken, judgePod, judgeReview } from '../../../operator/issue/enrolment.ts';

const namespace = 'homing-system';
const agent = 'system:serviceaccount:homing-system:homing-agent';
const tokenOf = (claims: unknown) =>
  `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2lnbmF0dXJl`;

describe('what a token says of itself', () => {
  const reasonOf = (token: string) => {
    const glance = glanceAtToken(token, namespace);
    return glance.ok ? 'good' : glance.reason;
  };

  it.each([
    ['of our agents, for homing only', { sub: agent, aud: ['homing'] }, 'good'],
    ['with its audience as a word', { sub: agent, aud: 'homing' }, 'good'],
    ['for the API server', { sub: agent, aud: ['https://kubernetes.default.svc'] }, 'TokenInvalid'],
    ['for homing and somebody else', { sub: agent, aud: ['homing', 'vault'] }, 'TokenForeign'],
    ['of another ServiceAccount', { sub: `${agent}2`, aud: ['homing'] }, 'TokenForeign'],
    [
      'of our name in another namespace',
      { sub: 'system:serviceaccount:default:homing-agent', aud: ['homing'] },
      'TokenForeign',
    ],
    ['without a subject', { aud: ['homing'] }, 'TokenInvalid'],
    ['that is no object', 'homing', 'TokenInvalid'],
  ] as const)('is looked at: one %s', (_, claims, expected) => {
    expect(reasonOf(tokenOf(claims))).toBe(expected);
  });

  it('never throws, whatever comes as a token', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `a.${text}.b`),
        ),
        (text) => {
          expect(glanceAtToken(text, namespace).ok).toBe(false);
        },
      ),
    );
  });
});

describe('the API server’s word on a token', () => {
  const extra = {
    'authentication.kubernetes.io/pod-name': ['homing-agent-nuc'],
    'authentication.kubernetes.io/pod-uid': ['u1'],
    'authentication.kubernetes.io/node-name': ['nuc'],
  };
  const status = { authenticated: true, audiences: ['homing'], user: { username: agent, extra } };
  const judge = (change: object) => judgeReview({ status: { ...status, ...change } }, namespace);

  it('names pod and node', () => {
    expect(judge({})).toEqual({ ok: true, value: { name: 'homing-agent-nuc', uid: 'u1', nodeName: 'nuc' } });
  });

  it.each([
    ['no', { authenticated: false, error: 'token has expired' }, 'TokenInvalid', 'token has expired'],
    ['nothing', { authenticated: undefined }, 'TokenInvalid', 'not authentic'],
    ['another audience', { audiences: ['vault'] }, 'TokenInvalid', 'audience'],
    ['no audience, as one that knows none does', { audiences: undefined }, 'TokenInvalid', 'audience'],
    ['another user', { user: { username: 'system:admin', extra } }, 'TokenForeign', 'system:admin'],
    ['no user', { user: undefined }, 'TokenForeign', 'nobody'],
    ['no pod', { user: { username: agent } }, 'TokenUnbound', 'bound to no pod'],
    [
      'two pods',
      {
        user: { username: agent, extra: { ...extra, 'authentication.kubernetes.io/pod-uid': ['u1', 'u2'] } },
      },
      'TokenUnbound',
      'bound to no pod',
    ],
    [
      'a node only',
      { user: { username: agent, extra: { 'authentication.kubernetes.io/node-name': ['nuc'] } } },
      'TokenUnbound',
      'bound to no pod',
    ],
  ] as const)('refuses it where it says %s', (_, change, reason, words) => {
    expect(judge(change)).toMatchObject({ ok: false, reason, detail: expect.stringContaining(words) });
  });

  it('is none where it cannot be read', () => {
    expect(judgeReview('<html>', namespace)).toMatchObject({ ok: false, reason: 'Unavailable' });
  });
});

describe('the pod of a token', () => {
  const owner = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    name: 'homing-agent',
    uid: 'd1',
    controller: true,
  };
  const metadata = { uid: 'u1', ownerReferences: [owner] };
  const spec = { nodeName: 'nuc', serviceAccountName: 'homing-agent' };
  const facts = { metadata, spec, status: { phase: 'Running' } };
  const token = { name: 'homing-agent-nuc', uid: 'u1', nodeName: 'nuc' };
  const daemonSet = { metadata: { uid: 'd1' } };
  const judge = (pod: unknown, more: { token?: object; daemonSet?: unknown } = {}) =>
    judgePod(
      { pod, daemonSet: 'daemonSet' in more ? more.daemonSet : daemonSet },
      { ...token, ...more.token },
    );
  const owned = (change: object) => ({
    ...facts,
    metadata: { ...metadata, ownerReferences: [{ ...owner, ...change }] },
  });

  it('says which node enrols, also where the token names none', () => {
    expect(judge(facts)).toEqual({ ok: true, value: 'nuc' });
    expect(judgePod({ pod: facts, daemonSet }, { name: token.name, uid: token.uid })).toEqual({
      ok: true,
      value: 'nuc',
    });
  });

  it.each([
    ['is gone', undefined, 'PodGone'],
    ['is another one of the same name', { ...facts, metadata: { ...metadata, uid: 'u2' } }, 'PodGone'],
    [
      'is being deleted',
      { ...facts, metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
      'PodGone',
    ],
    ['has failed', { ...facts, status: { phase: 'Failed' } }, 'PodGone'],
    ['has ended', { ...facts, status: { phase: 'Succeeded' } }, 'PodGone'],
    ['is on no node', { ...facts, spec: { serviceAccountName: 'homing-agent' } }, 'PodGone'],
    ['has no owner', { ...facts, metadata: { uid: 'u1' } }, 'PodForeign'],
    ['is of another DaemonSet', owned({ name: 'homing-agent2' }), 'PodForeign'],
    ['is of a DaemonSet of before', owned({ uid: 'd0' }), 'PodForeign'],
    ['is of a ReplicaSet of that name', owned({ kind: 'ReplicaSet' }), 'PodForeign'],
    ['is of somebody else’s DaemonSet kind', owned({ apiVersion: 'evil.dev/v1' }), 'PodForeign'],
    ['is not controlled by it', owned({ controller: false }), 'PodForeign'],
    ['runs as somebody else', { ...facts, spec: { ...spec, serviceAccountName: 'default' } }, 'PodForeign'],
  ] as const)('gets nothing where it %s', (_, pod, reason) => {
    expect(judge(pod)).toMatchObject({ ok: false, reason });
  });

  it('gets nothing where our DaemonSet is not there, or the token names another node', () => {
    expect(judge(facts, { daemonSet: undefined })).toMatchObject({ ok: false, reason: 'PodForeign' });
    expect(judge(facts, { token: { nodeName: 'pi' } })).toMatchObject({ ok: false, reason: 'NodeMismatch' });
  });
});
