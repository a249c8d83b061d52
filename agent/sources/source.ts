/** A source turns a camera, a file or a pipe into bytes. */

/** What a source tells its client. Called in order, never after `close()` has resolved. */
export interface SourceListener {
  /** A new source session: bytes from here on do not continue the ones before (not called before the first bytes). */
  onRestart(): void;
  onBytes(bytes: Uint8Array): void;
  /** The source's state for people and status; `message` says what to do, and holds no credentials. */
  onState(state: { readonly ready: boolean; readonly reason: string; readonly message: string }): void;
  /** A source that ends by itself (`stdin`, a file that does not loop) has ended. */
  onEnd(): void;
}

export interface Source {
  /**
   * Asks for no more bytes for now, or for more again. Only where the other end can wait without loss (a pipe, a file); a
   * camera cannot, and has no such method. Some bytes may still come.
   */
  setPaused?(isPaused: boolean): void;
  /** Stops the camera session and ends what it started; resolves when nothing is left running. */
  close(): Promise<void>;
}
