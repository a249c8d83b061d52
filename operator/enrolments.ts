/** Issues certificates: to agents by their pod's token, to pinned keys, and to bridges for their cameras. */
import { tokenAudience } from '../crds/cluster.ts';
import type { CameraClient } from '../crds/camera-client.ts';
import type { HomeServer } from '../crds/home-server.ts';
import type { Enrol, EnrolmentReply, OperatorMessage, TrustTexts } from '../crds/operator-messages.ts';
import { parseCertificateRequest } from '../protocol/certificate-requests.ts';
import type { Certifier } from './certifier.ts';
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
  readonly certifier: Certifier;
  readonly trust: () => TrustTexts;
  /** Of the trust set: a key that is denied gets nothing. */
  readonly isDenied: (spkiSha256: string) => boolean;
  /** The key of who is connected under a name. */
  readonly connectedKey: (name: string) => string | undefined;
  readonly survey: () => Survey | undefined;
  readonly onRefused: (name: string, reason: string, message: string) => void;
}

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
    const { spkiSha256, spki } = key.value;
    const connected = this.#options.connectedKey(found.name);
    if (connected !== undefined && connected !== spkiSha256) {
      return this.#refuse(
        found.name,
        'KeyInUse',
        `another key asks for ${found.name}, whose present key is connected`,
      );
    }
    if (this.#options.isDenied(spkiSha256)) {
      return this.#refuse(found.name, 'KeyDenied', 'this key is denied: make a new one');
    }
    const certificatePem = await this.#options.certifier.certify({ ...found, holder: found.name }, spki);
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
    const certificatePem = await this.#options.certifier.certify(
      { ...subject, holder: asker },
      key.value.spki,
    );
    return { kind: 'certificate', name, certificatePem };
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
