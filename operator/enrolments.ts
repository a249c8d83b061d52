/** Issues certificates: to agents by their pod's token, to pinned keys, and to bridges for their cameras. */
import type { Enrol, EnrolmentReply, OperatorMessage, TrustTexts } from '../crds/operator-messages.ts';
import { parseCertificateRequest, type RequestedKey } from '../protocol/certificate-requests.ts';
import { type Result, bad } from '../protocol/result.ts';
import type { Leaf } from '../protocol/trust.ts';
import type { Certifier } from './certifier.ts';
import { describeRefusal, type Refusal, type RefusalReason } from './issue/refusals.ts';
import { findNodeServer, findPinned, findRequested, type Subject } from './issue/subjects.ts';
import { TokenReviews } from './issue/token-reviews.ts';
import type { KubeConnection } from './kube/connection.ts';
import { homeServers } from './kube/kinds.ts';
import { applyObject, getObject } from './kube/objects.ts';
import { isInvalid, readHomeServer } from './reconcile/resource-reading.ts';
import type { Survey } from './reconcile/survey.ts';
import { homeServerOfNode } from './specs/home-server.ts';

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
  /** @param name empty where nobody knows whose certificate was asked for */
  readonly onRefused: (name: string, reason: RefusalReason, message: string) => void;
}

export interface Enrolments {
  enrol(request: Enrol): Promise<EnrolmentReply>;
  /** @param asker the certificate of who asks over its stream */
  certify(asker: Pick<Leaf, 'name' | 'spkiSha256'>, name: string, csrPem: string): Promise<OperatorMessage>;
}

/** Makes it. */
export function createEnrolments(options: EnrolmentsOptions): Enrolments {
  return new Issuer(options);
}

/** Agents ask again by themselves; these tell them when. */
const retryAfterMs: Partial<Record<RefusalReason, number>> = {
  NotReady: 2000,
  NodeUnknown: 5000,
  TooMany: 15_000,
  Unavailable: 5000,
  KeyInUse: 35_000,
};

class Issuer implements Enrolments {
  readonly #options: EnrolmentsOptions;
  readonly #reviews: TokenReviews;

  constructor(options: EnrolmentsOptions) {
    this.#options = options;
    this.#reviews = new TokenReviews(options.connection, options.namespace);
  }

  async enrol({ csrPem, token }: Enrol): Promise<EnrolmentReply> {
    const key = await parseCertificateRequest(csrPem);
    if (!key.ok) return this.#refuse({ reason: 'RequestInvalid', detail: key.detail });
    const survey = this.#options.survey();
    if (survey === undefined) return this.#refuse(notReady);
    const { spkiSha256 } = key.value;
    const found =
      token === undefined ? findPinned(spkiSha256, survey) : await this.#findByToken(token, survey);
    if (!found.ok) return this.#refuse(found);
    const subject = found.value;
    const obstacle = this.#findObstacle(subject, key.value);
    if (obstacle !== undefined) return this.#refuse({ ...obstacle, name: subject.name });
    const { certifier, trust } = this.#options;
    const certificatePem = await certifier.certify({ ...subject, holder: subject.name }, key.value.spki);
    return { kind: 'enrolled', version: 1, name: subject.name, certificatePem, trust: trust() };
  }

  async certify(
    asker: Pick<Leaf, 'name' | 'spkiSha256'>,
    name: string,
    csrPem: string,
  ): Promise<OperatorMessage> {
    const key = await parseCertificateRequest(csrPem);
    if (!key.ok) return this.#refuse({ reason: 'RequestInvalid', detail: key.detail, name });
    const survey = this.#options.survey();
    if (survey === undefined) return this.#refuse({ ...notReady, name });
    const { spki, spkiSha256 } = key.value;
    const found = findRequested({ asker, name, spkiSha256 }, survey);
    if (!found.ok) return this.#refuse({ ...found, name });
    if (this.#options.isDenied(spkiSha256)) return this.#refuse({ ...denied, name });
    const { certifier } = this.#options;
    const certificatePem = await certifier.certify({ ...found.value, holder: asker.name }, spki);
    return { kind: 'certificate', name, certificatePem };
  }

  #findObstacle({ name }: Subject, { spkiSha256 }: RequestedKey): Refusal | undefined {
    const connected = this.#options.connectedKey(name);
    if (connected !== undefined && connected !== spkiSha256) {
      return { reason: 'KeyInUse', detail: `another key asks for ${name}, whose present key is connected` };
    }
    return this.#options.isDenied(spkiSha256) ? denied : undefined;
  }

  /** The HomeServer of the token's node, which is made where it is not there. */
  async #findByToken(token: string, survey: Survey): Promise<Result<Subject, RefusalReason>> {
    const judged = await this.#reviews.nodeOf(token);
    if (!judged.ok) return judged;
    const name = judged.value;
    const node = survey.world.nodes.get(name);
    if (node === undefined) return bad('NodeUnknown', `there is no node ${name}`);
    const { connection } = this.#options;
    const place = { kind: homeServers, name };
    let raw = await getObject(connection, place);
    if (raw === undefined) {
      // Applied, not created: a creator owns every default, and who declares the object in Git would be in conflict with us.
      await applyObject(connection, homeServers, homeServerOfNode(node));
      raw = await getObject(connection, place);
    }
    const server = readHomeServer(raw);
    if (isInvalid(server)) return bad('ResourceInvalid', `HomeServer ${name}: ${server.message}`);
    return findNodeServer(server, survey);
  }

  #refuse(refusal: Refusal) {
    const { reason, detail, name } = refusal;
    this.#options.onRefused(name ?? '', reason, detail);
    const message = describeRefusal(refusal);
    const retry = retryAfterMs[reason];
    return {
      kind: 'refused' as const,
      ...(name === undefined ? {} : { name }),
      reason,
      message,
      ...(retry === undefined ? {} : { retryAfterMs: retry }),
    };
  }
}

const notReady: Refusal = { reason: 'NotReady', detail: 'the operator has just started' };
const denied: Refusal = { reason: 'KeyDenied', detail: 'this key is denied' };
