/** What the IPv4 and the IPv6 group have in common. */
import type { Socket } from 'node:dgram';
import type { AnnouncedInterface } from './interfaces.ts';

/** Announcements always go here; `listen.port` is TCP only. */
export const multicastPort = 17320;
/** A flood is dropped by our budgets and not by a full kernel buffer, as far as the kernel grants it (`net.core.rmem_max`). */
export const receiveBufferBytes = 4 << 20;

/** One group of one address family, on any number of interfaces. */
export interface MulticastGroup {
  /**
   * Hears and speaks there from now on. Called anew at each scan, as an interface that was removed and came back has silently
   * left the group.
   *
   * @returns false where the interface has no address of this family, or cannot be joined
   */
  use(announced: AnnouncedInterface): boolean;
  /** Leaves all other interfaces. */
  retain(interfaces: readonly AnnouncedInterface[]): void;
  /** Sends nothing that is too long for a datagram of this family. */
  send(announced: AnnouncedInterface, message: Uint8Array): void;
  close(): Promise<void>;
}

export interface GroupListener {
  /** @param interfaceName where it came from, where the socket tells */
  onDatagram(bytes: Uint8Array, from: string, interfaceName?: string): void;
  onProblem(doing: string, error: unknown): void;
}

/** Whether a system call failed in that way. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Resolves when it is closed, also where it was already. */
export function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(() => resolve());
    } catch {
      // Closed by itself, as after a failed bind.
      resolve();
    }
  });
}
