import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey, createSign, generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { connect, createServer } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCertificateRequest } from '../../protocol/certificate-requests.ts';
import { createAuthority, issueServer, type KeyedCertificate } from '../../protocol/issuing.ts';
import { parseTrust } from '../../protocol/trust.ts';
import { verifyLeaf } from '../../protocol/certificates.ts';
import { dialTls } from '../../tls/dialing.ts';
import { parseIdentity, type Identity } from '../../tls/identity.ts';
import { tlsServerOptions } from '../../tls/peers.ts';
import { openClusterHome, reasonOf, type ClusterHome } from '../support/cluster-home.ts';
import { describeWith } from '../support/needs.ts';

const namespace = 'homing-system';
const newKey = () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
const hashOf = (keyPem: string) =>
  createHash('sha256')
    .update(createPublicKey(keyPem).export({ type: 'spki', format: 'der' }))
    .digest('hex');

describeWith(['go', 'openssl'], 'enrolment at a real API server', () => {
  let home: ClusterHome;

  beforeAll(async () => {
    home = await openClusterHome();
    await home.startOperator();
    await home.addServer('pi');
    await home.startAgent('pi');
    await home.untilReason('homeserver', 'pi', 'Ready', 'AgentReady');
    for (const node of ['nuc', 'hut']) {
      await home.addNode(node);
      await home.addPod(node);
    }
  });
  afterAll(async () => {
    await home.close();
  });

  /** One line in, one line out, as whoever finds the port would do it. */
  const say = async (line: object): Promise<Record<string, unknown>> => {
    const socket = connect({
      port: home.operatorPort,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['homing-enrol/1'],
    });
    socket.write(`${JSON.stringify(line)}\n`);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return JSON.parse(text);
  };
  const enrol = async (token?: string, keyPem = newKey(), csrPem?: string) =>
    say({
      kind: 'enrol',
      versions: [1],
      version: '0.1.0',
      csrPem: csrPem ?? (await createCertificateRequest(keyPem)),
      ...(token === undefined ? {} : { token }),
    });
  const tokenOf = async (node: string) => readFile(await home.tokenFor(node), 'utf8');
  const authority = async (): Promise<KeyedCertificate> => {
    const { data } = JSON.parse(
      await home.kubectl('-n', namespace, 'get', 'secret', 'homing-ca', '-o', 'json'),
    );
    const text = (key: string) => Buffer.from(String(data[key]), 'base64').toString('utf8');
    return { certificatePem: text('tls.crt'), keyPem: text('tls.key') };
  };
  const trust = async () => {
    const parsed = parseTrust({ anchorsPem: (await authority()).certificatePem, denyText: '' });
    if (!parsed.ok) throw new Error(parsed.detail);
    return parsed.value;
  };
  const leafOf = async (certificatePem: unknown) => {
    const der = new Uint8Array(
      Buffer.from(String(certificatePem).replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'),
    );
    const verdict = verifyLeaf([der], await trust(), Date.now());
    if (!verdict.ok) throw new Error(verdict.detail);
    return verdict.value;
  };
  const mint = async (...args: readonly string[]) =>
    (await home.kubectl('-n', namespace, 'create', 'token', 'homing-agent', ...args)).trim();
  const reviews = async () =>
    (await home.plane.auditLog()).filter(({ objectRef }) => objectRef?.resource === 'tokenreviews').length;

  it('certifies a live pod of our DaemonSet for its node, whatever names the request has, and makes the HomeServer', async () => {
    const keyPem = newKey();
    const keyFile = path.join(home.directory, 'names.key');
    await writeFile(keyFile, keyPem, { mode: 0o600 });
    const names = ['-subj', '/CN=pi', '-addext', 'subjectAltName=URI:homing:operator'];
    const csrPem = execFileSync('openssl', ['req', '-new', '-key', keyFile, ...names], { encoding: 'utf8' });
    const reply = await enrol(await tokenOf('nuc'), keyPem, csrPem);
    expect(reply).toMatchObject({ kind: 'enrolled', name: 'nuc' });
    const nuc = await home.get('homeserver', 'nuc');
    const identifier = Buffer.from(nuc.metadata.uid.replaceAll('-', ''), 'hex')
      .toString('base64')
      .slice(0, 22);
    expect(await leafOf(reply['certificatePem'])).toMatchObject({
      role: 'server',
      name: 'nuc',
      id: `hcsp:${identifier}`,
      spkiSha256: hashOf(keyPem),
    });
    expect(nuc.metadata['ownerReferences']).toMatchObject([{ kind: 'Node', name: 'nuc' }]);
    const ledger = await home.kubectl('-n', namespace, 'get', 'configmap', 'homing-ledger', '-o', 'json');
    expect(ledger).toContain(hashOf(keyPem));
    expect(await enrol(await tokenOf('nuc'), keyPem)).toMatchObject({ kind: 'enrolled', name: 'nuc' });
  });

  it.each([
    ['for another audience', ['--audience=vault'], 'TokenInvalid'],
    ['for the API server', [], 'TokenInvalid'],
    ['for homing and another audience', ['--audience=homing', '--audience=vault'], 'TokenForeign'],
    ['bound to no pod', ['--audience=homing'], 'TokenUnbound'],
    [
      'bound to a node only',
      ['--audience=homing', '--bound-object-kind=Node', '--bound-object-name=hut'],
      'TokenUnbound',
    ],
  ] as const)('refuses a token of our ServiceAccount %s', async (_, args, reason) => {
    expect(await enrol(await mint(...args))).toMatchObject({ kind: 'refused', reason });
  });

  it('refuses the token of another pod, though its audience is ours', async () => {
    await home.kubectl('-n', 'cams', 'create', 'serviceaccount', 'homing-agent');
    const token = await home.plane.tokenFor({
      namespace: 'cams',
      serviceAccount: 'homing-agent',
      audience: 'homing',
    });
    expect(await enrol(token)).toMatchObject({ kind: 'refused', reason: 'TokenForeign' });
  });

  it('refuses what the role edit can mint: unbound, and bound to a pod of its own on a node of its choice', async () => {
    // The controller that fills `edit` out of this role does not run here.
    await home.kubectl(
      '-n',
      namespace,
      'create',
      'rolebinding',
      'eve',
      '--clusterrole=system:aggregate-to-edit',
      '--user=eve',
    );
    const kubeconfig = await home.plane.kubeconfigFor({ user: 'eve' });
    const asEve = async (args: readonly string[], stdin = '') => {
      const { stdout, stderr, code } = await home.plane.kubectl('-n', namespace, ...args, {
        kubeconfig,
        stdin,
      });
      if (code !== 0) throw new Error(stderr);
      return stdout.trim();
    };
    const create = ['create', 'token', 'homing-agent', '--audience=homing'];
    expect(await enrol(await asEve(create))).toMatchObject({ reason: 'TokenUnbound' });
    const owners = {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      name: 'homing-agent',
      uid: 'made-up',
      controller: true,
    };
    for (const [name, ownerReferences] of [
      ['plain', []],
      ['owned', [owners]],
    ] as const) {
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, ownerReferences },
        spec: {
          serviceAccountName: 'homing-agent',
          nodeName: 'hut',
          containers: [{ name: 'a', image: 'a' }],
        },
      };
      await asEve(['create', '-f', '-'], JSON.stringify(pod));
      const token = await asEve([...create, '--bound-object-kind=Pod', `--bound-object-name=${name}`]);
      expect(await enrol(token)).toMatchObject({ kind: 'refused', reason: 'PodForeign' });
    }
    expect((await home.kubectl('get', 'homeservers')).includes('hut')).toBe(false);
  });

  it('refuses a genuine token of which something was changed, and one that has expired', async () => {
    const genuine = await tokenOf('hut');
    const [head = '', body = '', signature = ''] = genuine.split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const pi = { ...claims, 'kubernetes.io': { ...claims['kubernetes.io'], node: { name: 'pi' } } };
    expect(await enrol(`${head}.${encode(pi)}.${signature}`)).toMatchObject({ reason: 'TokenInvalid' });
    const late = { ...claims, iat: claims.iat - 7200, nbf: claims.iat - 7200, exp: claims.iat - 3600 };
    const key = await readFile(path.join(path.dirname(home.plane.kubeconfigPath), 'sa.key'), 'utf8');
    const signed = `${head}.${encode(late)}`;
    const expired = `${signed}.${createSign('sha256').update(signed).sign(key, 'base64url')}`;
    const reply = await enrol(expired);
    expect(reply).toMatchObject({ reason: 'TokenInvalid' });
    expect(String(reply['message'])).toContain('expired');
  });

  it('refuses a token whose pod is on its way out or gone, also when a new pod has its name', async () => {
    await home.addNode('shed');
    await home.addPod('shed');
    const token = await tokenOf('shed');
    await home.kubectl('-n', namespace, 'delete', 'pod', 'homing-agent-shed', '--wait=false');
    expect(await enrol(token)).toMatchObject({ kind: 'refused', reason: 'PodGone' });
    await home.kubectl('-n', namespace, 'delete', 'pod', 'homing-agent-shed', '--force', '--grace-period=0');
    await home.addPod('shed');
    const later = await enrol(token);
    expect(later['kind']).toBe('refused');
    expect(['PodGone', 'TokenInvalid']).toContain(later['reason']);
    expect(await enrol(await tokenOf('shed'))).toMatchObject({ kind: 'enrolled', name: 'shed' });
  });

  it('refuses another key for a server that is connected, and says so where people look', async () => {
    expect(await enrol(await tokenOf('pi'))).toMatchObject({
      kind: 'refused',
      reason: 'KeyInUse',
      name: 'pi',
    });
    const pi = await home.untilReason('homeserver', 'pi', 'Ready', 'KeyInUse');
    expect(reasonOf(pi, 'Ready')).toBe('KeyInUse');
    await expect
      .poll(() => home.kubectl('get', 'events', '-A', '-o', 'json'), { timeout: 20_000 })
      .toContain('KeyInUse');
  });

  it('certifies pinned keys without a token, and says which hash to pin', async () => {
    const keyPem = newKey();
    const pin = `sha256:${hashOf(keyPem)}`;
    const refused = await enrol(undefined, keyPem);
    expect(refused).toMatchObject({ reason: 'KeyUnknown' });
    expect(String(refused['message'])).toContain(pin);
    await home.homeServer('cabin', { external: { publicKey: pin } });
    await expect
      .poll(() => enrol(undefined, keyPem), { timeout: 20_000 })
      .toMatchObject({ kind: 'enrolled', name: 'cabin' });
    expect(await enrol(undefined)).toMatchObject({ reason: 'KeyUnknown' });
    await home.addNode('cabin');
    await home.addPod('cabin');
    await expect
      .poll(async () => enrol(await tokenOf('cabin')), { timeout: 20_000 })
      .toMatchObject({ reason: 'NodeExternal' });
  });

  it('gives an agent no camera of another’s, over its own stream', async () => {
    const keyPem = newKey();
    const reply = await enrol(await tokenOf('hut'), keyPem);
    expect(reply).toMatchObject({ kind: 'enrolled', name: 'hut' });
    await home.camera('door', { source: { test: {} }, bridge: { servers: ['pi', 'nuc'] } });
    await home.untilReason('cameraclient', 'door', 'Ready', 'Streaming');
    const identity = parseIdentity({ certificatePem: String(reply['certificatePem']), keyPem });
    const [own, other] = [await ask(identity, 'hut', keyPem), await ask(identity, 'cams/door', newKey())];
    expect(own).toMatchObject({ kind: 'certificate', name: 'hut' });
    expect(other).toMatchObject({ kind: 'refused', name: 'cams/door', reason: 'NotAssigned' });
    expect(await ask(identity, 'pi', keyPem)).toMatchObject({ kind: 'refused', reason: 'NotAssigned' });
    expect(await ask(identity, 'hut', newKey())).toMatchObject({ kind: 'refused', reason: 'KeyInUse' });
  });

  /** The first answer to a request for a certificate. */
  const ask = async (identity: Identity, name: string, keyPem: string): Promise<unknown> => {
    const { socket } = await dialTls({
      endpoint: { ip: '127.0.0.1', port: home.operatorPort },
      identity,
      trust: await trust(),
      alpn: 'homing-stream/1',
      expectRole: 'operator',
      signal: AbortSignal.timeout(20_000),
      timeoutMs: 10_000,
    });
    const csrPem = await createCertificateRequest(keyPem);
    const lines = [
      { kind: 'hello', versions: [1], version: '0.1.0' },
      { kind: 'request', name, csrPem },
    ];
    socket.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    let text = '';
    try {
      for await (const chunk of socket) {
        text += String(chunk);
        const messages: { kind?: string; name?: string }[] = text
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line));
        const answer = messages.find(
          (message) => message.kind === 'refused' || message.kind === 'certificate',
        );
        if (answer !== undefined) return answer;
      }
    } finally {
      socket.destroy();
    }
    return undefined;
  };

  it('is at nobody’s door but the operator’s: a server’s certificate of the same CA is refused by agents', async () => {
    const ca = await authority();
    const issue = async (name: string) =>
      parseIdentity(await issueServer(ca, { id: `hcsp:${'E'.repeat(22)}`, name, nowMs: Date.now() }));
    const [evil, victim] = [await issue('evil'), await issue('victim')];
    const server = createServer({
      ...tlsServerOptions(evil, await trust()),
      ALPNProtocols: ['homing-stream/1'],
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, '127.0.0.1', resolve);
    await promise;
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const call = async (identity: Identity, atPort: number) =>
      dialTls({
        endpoint: { ip: '127.0.0.1', port: atPort },
        identity,
        trust: await trust(),
        alpn: 'homing-stream/1',
        expectRole: 'operator',
        signal: AbortSignal.timeout(20_000),
        timeoutMs: 10_000,
      });
    await expect(call(victim, port)).rejects.toThrow(/operator/);
    server.close();
    const stranger = await createAuthority({ nowMs: Date.now() });
    const foreign = parseIdentity(
      await issueServer(stranger, { id: `hcsp:${'F'.repeat(22)}`, name: 'foreign', nowMs: Date.now() }),
    );
    const { socket } = await call(foreign, home.operatorPort);
    const closed = Promise.withResolvers<void>();
    socket.once('close', () => closed.resolve()).on('error', () => undefined);
    socket.resume();
    await closed.promise;
  });

  it('asks the API server nothing about what is no token of our agents, and once about what it refused', async () => {
    const before = await reviews();
    const foreign = await home.plane.tokenFor({
      namespace: 'cams',
      serviceAccount: 'homing-agent',
      audience: 'homing',
    });
    for (let count = 0; count < 10; count += 1) {
      await enrol(`x${count}.y.z`);
      await enrol(foreign);
    }
    expect(await reviews()).toBe(before);
    const unbound = await mint('--audience=homing');
    for (let count = 0; count < 5; count += 1) {
      expect(await enrol(unbound)).toMatchObject({ reason: 'TokenUnbound' });
    }
    expect(await reviews()).toBe(before + 1);
  });
});
