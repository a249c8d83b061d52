/** Live connections are judged again when the trust set changes, and hourly: a certificate may have been denied or have run out. */
import type { TLSSocket } from 'node:tls';
import type { CertificateDropReason } from '../../protocol/trust.ts';
import { verifyPeer } from '../../tls/peers.ts';
import type { LiveTrust } from '../trust-directory.ts';

const everyMs = 3_600_000;
/** A verification costs a tenth of a millisecond or so: this many, then whatever else waits. */
const batch = 32;

export interface Rechecks {
  /** Judges this connection again from now on, until it is closed. `cutOff` may be called again, for a worse reason. */
  add(socket: TLSSocket, cutOff: (reason: CertificateDropReason) => void): void;
  close(): void;
}

/** Watches the trust set; all live connections are judged within a second of a change. */
export function openRechecks(trust: LiveTrust): Rechecks {
  const live = new Map<TLSSocket, (reason: CertificateDropReason) => void>();
  let round = 0;

  const judge = (socket: TLSSocket) => {
    const cutOff = live.get(socket);
    if (cutOff === undefined) return;
    const verdict = verifyPeer(socket, trust.current, Date.now());
    if (!verdict.ok) cutOff(verdict.reason);
  };
  const judgeAll = () => {
    round += 1;
    const mine = round;
    const sockets = [...live.keys()];
    const judgeSome = () => {
      // A newer trust set began its own round.
      if (mine !== round) return;
      for (const socket of sockets.splice(0, batch)) judge(socket);
      if (sockets.length > 0) setImmediate(judgeSome);
    };
    judgeSome();
  };

  const stopWatching = trust.onChange(judgeAll);
  const timer = setInterval(judgeAll, everyMs);
  return {
    add(socket, cutOff) {
      live.set(socket, cutOff);
      socket.once('close', () => live.delete(socket));
    },
    close() {
      round += 1;
      stopWatching();
      clearInterval(timer);
      live.clear();
    },
  };
}
