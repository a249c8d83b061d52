/** Certificates that run out: told from a third of their life before the end on, once a day each. */
import { X509Certificate } from 'node:crypto';
import type { EmitEvent } from '../events.ts';
import type { Identity } from '../../tls/identity.ts';

/** One of our own certificates, as status shows it. */
export interface CertificateStatus {
  /** Whose: a server's name, or a client's `namespace/name`. */
  readonly name: string;
  /** RFC 3339. */
  readonly notAfter: string;
  /** A third of its life or less is left: renew it. */
  readonly isRunningOut: boolean;
}

/** When to renew: as early as leaves time to notice. @see docs/protocol.md, trust */
const warnShare = 1 / 3;
const dayMs = 86_400_000;

interface Watched {
  readonly name: string;
  readonly warnAtMs: number;
  readonly notAfterMs: number;
  toldAtMs: number;
}

export class CertificateExpiry {
  readonly #emit: EmitEvent;
  #watched: readonly Watched[] = [];

  constructor(emit: EmitEvent) {
    this.#emit = emit;
  }

  /** From now on these. Those that stayed are not told again today. */
  set(identities: readonly Identity[], nowMs: number): void {
    const before = new Map(this.#watched.map((one) => [keyOf(one), one]));
    this.#watched = identities.map(watchedOf).map((one) => before.get(keyOf(one)) ?? one);
    this.check(nowMs);
  }

  /** Warns where it is time: call it now and then. */
  check(nowMs: number): void {
    for (const one of this.#watched) {
      if (nowMs < one.warnAtMs || nowMs < one.toldAtMs + dayMs) continue;
      one.toldAtMs = nowMs;
      const days = Math.floor(Math.abs(one.notAfterMs - nowMs) / dayMs);
      const state = nowMs < one.notAfterMs ? `runs out in ${days} days` : `ran out ${days} days ago`;
      const message = `the certificate of ${one.name} ${state}: 'homing ca issue' renews it, and a running agent takes it`;
      this.#emit({ event: 'warning', reason: 'CertificateExpiry', message });
    }
  }

  status(nowMs: number): readonly CertificateStatus[] {
    return this.#watched.map(({ name, notAfterMs, warnAtMs }) => ({
      name,
      notAfter: new Date(notAfterMs).toISOString(),
      isRunningOut: nowMs >= warnAtMs,
    }));
  }
}

function watchedOf({ leaf, certificateDer }: Identity): Watched {
  const { validFromDate, validToDate } = new X509Certificate(certificateDer);
  const [notBeforeMs, notAfterMs] = [validFromDate.getTime(), validToDate.getTime()];
  const warnAtMs = notAfterMs - (notAfterMs - notBeforeMs) * warnShare;
  return { name: leaf.name, warnAtMs, notAfterMs, toldAtMs: -Infinity };
}

function keyOf({ name, notAfterMs }: Watched): string {
  return `${name} ${notAfterMs}`;
}
