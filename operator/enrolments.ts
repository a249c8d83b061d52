/** Issues certificates: to agents by their pod's token, to pinned keys, and to bridges for their cameras. */
import { tokenAudience } from '../crds/cluster.ts';
import type { CameraClient } from '../crds/camera-client.ts';
import type { HomeServer } from '../crds/home-server.ts';
import type { Enrol, EnrolmentReply, OperatorMessage, TrustTexts } from '../crds/operator-messages.ts';
import { parseCertificateRequest } from '../protocol/certificate-requests.ts';
import { issueForKey, type KeyedCertificate } from '../protocol/issuing.ts';
import { judgePod, readTokenReview } from './issue/enrolment.ts';
import type { KubeConnection } from './kube/connection.ts';
import { homeServers, pods } from './kube/kinds.ts';
import { createObject, getObject } from './kube/objects.ts';
import { clientIdOf, serverIdOf } from './reconcile/identities.ts';
import { isInvalid, readHomeServer } from './reconcile/resource-reading.ts';
import { fullNameOf, type World } from './reconcile/world.ts';
import { camerasOf } from './specs/snapshot.ts';
import { homeServerOfNode } from './specs/home-server.ts';
import type { Survey } from './reconcile/survey.ts';

export interface EnrolmentsOptions {
  readonly connection: KubeConnection;
  readonly namespace: string;
  readonly authority: () => KeyedCertificate;
  readonly trust: () => TrustTexts;
  readonly survey: () => Survey | undefined;
  readonly onIssued: (name: string, role: string) => void;
  readonly onRefused: (name: string, reason: string, message: string) => void;
}

/** Of a server or client in a cluster; renewed at a third left. */
const leafDays = 30;

export interface Enrolments {
  enrol(request: Enrol): Promise<EnrolmentReply>;
  /** @param asker the name of the certificate of who asks */
  certify(asker: string, name: string, csrPem: string): Promise<OperatorMessage>;
}

/** Makes it. */
export function createEnrolments(options: EnrolmentsOptions): Enrolments {
  return new Issuer(options);
}

class Issuer implements Enrolments {
  readonly #options: EnrolmentsOptions;

  constructor(options: EnrolmentsOptions) {
    this.#options = options;
  }

  async enrol({ csrPem, token }: Enrol): Promise<EnrolmentReply> {
    const key = await parseCertificateRequest(csrPem);
    if (!key.ok) return this.#refuse('', key.reason, key.detail);
    const found =
      token === undefined ? this.#findPinned(key.value.spkiSha256) : await this.#findByToken(token);
    if ('reason' in found) return this.#refuse(found.name, found.reason, found.message);
    const certificatePem = await this.#issue(found, key.value.spki);
    return { kind: 'enrolled', version: 1, name: found.name, certificatePem, trust: this.#options.trust() };
  }

  async certify(asker: string, name: string, csrPem: string): Promise<OperatorMessage> {
    const key = await parseCertificateRequest(csrPem);
    if (!key.ok) return this.#refuse(name, key.reason, key.detail);
    const survey = this.#options.survey();
    const subject = survey === undefined ? undefined : findSubject(asker, name, survey);
    if (subject === undefined) {
      return this.#refuse(name, 'NotAssigned', `${asker} is no bridge of ${name}`);
    }
    return { kind: 'certificate', name, certificatePem: await this.#issue(subject, key.value.spki) };
  }

  async #issue({ id, name }: Subject, spki: Uint8Array): Promise<string> {
    const { authority, onIssued } = this.#options;
    const pem = await issueForKey(authority(), { spki, id, name, nowMs: Date.now(), days: leafDays });
    onIssued(name, id.startsWith('ab:') ? 'client' : 'server');
    return pem;
  }

  #findPinned(spkiSha256: string): Subject | Refusal {
    const world = this.#options.survey()?.world;
    const pin = `sha256:${spkiSha256}`;
    const server = world?.homeServers.find(({ spec }) => spec.external?.publicKey === pin);
    const camera = world?.cameraClients.find(({ spec }) => spec.source.native?.publicKey === pin);
    const subject = (server && subjectOfServer(server)) ?? (camera && subjectOfCamera(camera));
    return subject ?? { name: pin, reason: 'KeyUnknown', message: `no resource pins ${pin}` };
  }

  async #findByToken(token: string): Promise<Subject | Refusal> {
    const { connection, namespace } = this.#options;
    const { body } = await connection.request({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [tokenAudience] },
      },
      timeoutMs: 10_000,
    });
    const pod = readTokenReview(body, namespace);
    if (typeof pod === 'string')
      return { name: '', reason: pod, message: 'the token is not one of our agents' };
    const judged = judgePod(await getObject(connection, { kind: pods, name: pod.name, namespace }), pod);
    if (typeof judged === 'string')
      return { name: pod.name, reason: judged, message: `the pod ${pod.name} is not ours` };
    return this.#subjectOfNode(judged.node);
  }

  /** The node's HomeServer, which is made where it is not there. */
  async #subjectOfNode(name: string): Promise<Subject | Refusal> {
    const { connection, survey } = this.#options;
    const node = survey()?.world.nodes.get(name);
    if (node === undefined) return { name, reason: 'NodeUnknown', message: `there is no node ${name}` };
    const place = { kind: homeServers, name };
    let raw = await getObject(connection, place);
    if (raw === undefined) {
      await createObject(connection, homeServers, homeServerOfNode(node));
      raw = await getObject(connection, place);
    }
    const read = readHomeServer(raw);
    const subject = isInvalid(read) ? undefined : subjectOfServer(read);
    return subject ?? { name, reason: 'ResourceInvalid', message: `HomeServer ${name} cannot be read` };
  }

  #refuse(name: string, reason: string, message: string) {
    this.#options.onRefused(name, reason, message);
    return { kind: 'refused' as const, ...(name === '' ? {} : { name }), reason, message };
  }
}

interface Subject {
  readonly id: NonNullable<ReturnType<typeof serverIdOf> | ReturnType<typeof clientIdOf>>;
  readonly name: string;
}

interface Refusal {
  readonly name: string;
  readonly reason: string;
  readonly message: string;
}

/** Itself, to renew; or a camera that it is a bridge of. */
function findSubject(asker: string, name: string, survey: Survey): Subject | undefined {
  const { world } = survey;
  if (name !== asker && !camerasOf(asker, survey).includes(name)) return undefined;
  return findServer(world, name) ?? findCamera(world, name);
}

function findServer({ homeServers: servers }: World, name: string): Subject | undefined {
  const server = servers.find(({ metadata }) => metadata.name === name);
  return server === undefined ? undefined : subjectOfServer(server);
}

function findCamera({ cameraClients }: World, name: string): Subject | undefined {
  const camera = cameraClients.find((each) => fullNameOf(each) === name);
  return camera === undefined ? undefined : subjectOfCamera(camera);
}

function subjectOfServer(server: HomeServer): Subject | undefined {
  const id = serverIdOf(server);
  return id === undefined ? undefined : { id, name: server.metadata.name };
}

function subjectOfCamera(camera: CameraClient): Subject | undefined {
  const id = clientIdOf(camera);
  return id === undefined ? undefined : { id, name: fullNameOf(camera) };
}
