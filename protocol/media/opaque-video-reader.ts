/** A video codec that we cannot read: its muxer says where decoding can begin. */
import type { Picture, VideoReader } from './video-reader.ts';

export class OpaqueVideoReader implements VideoReader {
  #pending: 'none' | 'plain' | 'key' = 'none';

  begin(randomAccess: boolean): void {
    this.#pending = randomAccess ? 'key' : 'plain';
  }

  push(_bytes: Uint8Array, from: number, to: number): Picture | undefined {
    if (from >= to || this.#pending === 'none') return undefined;
    // The indicator does not tell a fresh start from an open one: `recovery` promises less.
    const key = this.#pending === 'key' ? { key: 'recovery' as const } : {};
    this.#pending = 'none';
    return { ...key, isOtherCodec: false, isSelfContained: true };
  }

  abandon(): void {
    this.#pending = 'none';
  }

  parameterSets(): Uint8Array {
    return new Uint8Array(0);
  }
}
